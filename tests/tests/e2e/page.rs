//! The page that `export --html` writes: it fetches nothing, nothing that agents wrote steers it, and it says what the
//! command says.

use std::collections::HashMap;
use std::fs;

use serde_json::{Map, Value, json};
use taskhost_tests::TestBoard;

/// The page of this board.
fn page(board: &TestBoard) -> String {
    let file = board.folder().join("board.html");
    let _ = fs::remove_file(&file);
    board.run(&["export", "--html", file.to_str().unwrap()]).exits(0);
    fs::read_to_string(file).unwrap()
}

/// What stands between two texts, each of which is there once.
#[track_caller]
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    assert_eq!(page.matches(from).count(), 1, "`{from}`");
    let (_, rest) = page.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

const DATA: &str = "<script type=\"application/json\" id=\"board\">";

fn data(page: &str) -> &str {
    between(page, DATA, "</script>")
}

/// The page's data, read as a program would.
struct Model(Value);

impl Model {
    fn of(page: &str) -> Self {
        Self(serde_json::from_str(data(page)).unwrap())
    }

    fn text(&self, place: &Value) -> Value {
        let place = place.as_i64().unwrap();
        usize::try_from(place).map_or(Value::Null, |place| self.0["texts"][place].clone())
    }

    fn json(&self, place: &Value) -> Value {
        self.text(place).as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
    }

    fn texts(&self, places: &Value) -> Value {
        places.as_array().unwrap().iter().map(|place| self.text(place)).collect()
    }

    /// A task as `list --json` has it.
    fn task(&self, row: usize) -> Value {
        let of = |column: &str| &self.0["tasks"][column][row];
        let time = |ms: &Value| ms.as_u64().map(|ms| taskhost::wire::time(taskhost::Millis(ms)));
        let at = |column: &str| time(of(column));
        let assignee = of("assignee").as_array().unwrap();
        let claim = of("claim");
        json!({
            "id": self.text(of("id")),
            "type": self.text(of("type")),
            "status": self.0["statuses"][usize::try_from(of("status").as_u64().unwrap()).unwrap()],
            "reason": self.text(of("reason")),
            "parent": self.text(of("parent")),
            "after": self.texts(of("after")),
            "priority": of("priority"),
            "labels": self.texts(of("labels")),
            "needs": self.texts(of("needs")),
            "assignee": (!assignee.is_empty()).then(|| json!({
                "name": self.text(&assignee[0]),
                "kind": self.text(&assignee[1]),
                "hostname": self.text(&assignee[2]),
                "by": self.text(&assignee[3]),
            })),
            "data": self.json(of("data")),
            "key": self.text(of("key")),
            "attempts": of("attempts"),
            "claim": claim.is_object().then(|| json!({
                "agent": self.text(&claim["agent"]),
                "kind": self.text(&claim["kind"]),
                "hostname": self.text(&claim["hostname"]),
                "session": self.text(&claim["session"]),
                "token": claim["token"],
                "since": time(&claim["since"]),
                "lease_until": time(&claim["lease_until"]),
            })),
            "result": self.json(of("result")),
            "error": self.text(of("error")),
            "not_before": at("not_before"),
            "created_at": at("created_at"),
            "updated_at": at("updated_at"),
            "completed_at": at("completed_at"),
            "readiness": self.text(of("readiness")),
            "ready_at": at("ready_at"),
            "waits_for": self.texts(of("waits_for")),
        })
    }

    fn tasks(&self) -> Vec<Value> {
        let standing = usize::try_from(self.0["tasks"]["standing"].as_u64().unwrap()).unwrap();
        (0..standing).map(|row| self.task(row)).collect()
    }

    fn details(&self, flat: &Value) -> Map<String, Value> {
        let pair = |pair: &[Value]| {
            let name = self.text(&pair[0]).as_str().unwrap().to_owned();
            let value = match pair[1].as_i64().unwrap() {
                place if place < 0 => self.json(&json!(-1 - place)),
                _ => self.text(&pair[1]),
            };
            (name, value)
        };
        flat.as_array().unwrap().chunks(2).map(pair).collect()
    }

    /// Events as `history --json` has them.
    fn events(&self) -> Vec<Value> {
        let (mut sequence, mut time) = (0, 0);
        let event = |at: usize| {
            let of = |column: &str| &self.0["events"][column][at];
            sequence += of("sequence").as_u64().unwrap();
            time += of("time").as_i64().unwrap();
            let at = taskhost::Millis(u64::try_from(time).unwrap());
            let row = usize::try_from(of("task").as_i64().unwrap());
            json!({
                "sequence": sequence,
                "time": taskhost::wire::time(at),
                "command": self.text(of("command")),
                "event": self.text(of("event")),
                "agent": self.text(of("agent")),
                "holder": self.text(of("holder")),
                "task": row.map_or(Value::Null, |row| self.text(&self.0["tasks"]["id"][row])),
                "details": self.details(of("details")),
            })
        };
        (0..self.0["events"]["event"].as_array().unwrap().len()).map(event).collect()
    }

    /// How often each way of ending a claim comes.
    fn ends(&self) -> HashMap<&str, usize> {
        let mut ends = HashMap::new();
        for end in self.0["claims"]["end"].as_array().unwrap() {
            *ends.entry(end.as_str().unwrap()).or_default() += 1;
        }
        ends
    }
}

/// Says that the page has what `list` and `history` say, and gives what it has.
#[track_caller]
fn agrees(board: &TestBoard) -> Model {
    let model = Model::of(&page(board));
    let listed = board.run(&["list", "--limit", "10000"]).exits(0).json();
    assert_eq!(&json!(model.tasks()), &listed["tasks"]);
    let history = board.run(&["history", "--limit", "1000000"]).exits(0).json();
    let events = model.events();
    let told = history["events"].as_array().unwrap();
    let is_told = |at: &usize| !is_followed_by_a_renewal(told, *at);
    let expected: Vec<&Value> = (0..told.len()).filter(is_told).map(|at| &told[at]).collect();
    assert_eq!(events.iter().collect::<Vec<_>>(), expected);
    assert_eq!(model.0["begins"]["sequence"], history["begins_with"]);
    model
}

/// Whether this is a renewal, and what next happens to its task another one.
fn is_followed_by_a_renewal(events: &[Value], at: usize) -> bool {
    let is_renewal = |event: &Value| event["event"] == "renewed";
    let next = || events[at + 1..].iter().find(|event| event["task"] == events[at]["task"]);
    is_renewal(&events[at]) && next().is_some_and(is_renewal)
}

/// Claims the task and ends the claim by this command.
fn finish(board: &TestBoard, id: &str, by: &[&str]) {
    let claimed = board.run(&["claim", id, "--agent", "ada"]).exits(0);
    let token = claimed.number("/task/claim/token").to_string();
    board.run(&[by, &[id, "--agent", "ada", "--token", &token]].concat()).exits(0);
}

const HOSTILE: &str = "</script><script>alert(1)</script><!-- \u{2028}\u{202e}\u{1b}[2J <img src=x onerror=alert(1)> &lt;";

/// A board with every way a claim ends, and hostile texts wherever there is a place for some.
fn eventful() -> TestBoard {
    let board = TestBoard::with(&["--setting", "retries=1", "--setting", "lease=1h"]);
    let run = |arguments: &[&str]| board.run(arguments).exits(0);
    let data = json!({ "url": HOSTILE, HOSTILE: 1 }).to_string();
    run(&["add", "goal", "--id", "goal", "--data", &data, "--label", "big", "--key", HOSTILE]);
    board.add(&["fails", "released", "parked", "over", "taken", "held", "gone", "unwanted"]);
    run(&["add", "part", "--id", "part", "--parent", "goal", "--after", "held", "--needs", "gpu"]);
    run(&["add", "part", "--id", "later", "--not-before", "2099-01-01T00:00:00Z"]);
    run(&["assign", "part", "--to", "bob"]);
    let result = json!({ "n": 1, "text": HOSTILE }).to_string();
    finish(&board, "goal", &["complete", "--result", &result]);
    finish(&board, "fails", &["fail", "--error", HOSTILE]);
    finish(&board, "fails", &["fail", "--error", "again"]);
    finish(&board, "released", &["release", "--reason", HOSTILE]);
    finish(&board, "parked", &["block", "--reason", "which licence?"]);
    finish(&board, "gone", &["complete"]);
    run(&["archive", "gone"]);
    run(&["claim", "taken", "--agent", "bob"]);
    run(&["release", "taken", "--force", "--reason", "it hangs"]);
    run(&["claim", "unwanted", "--agent", "bob"]);
    run(&["cancel", "unwanted"]);
    run(&["claim", "over", "--agent", "ann lee", "--lease", "1ms"]);
    let held =
        run(&["claim", "held", "--agent", "ann lee"]).number("/task/claim/token").to_string();
    for _ in 0..3 {
        run(&["heartbeat", "held", "--agent", "ann lee", "--token", &held]);
    }
    run(&["meta", "set", "branch", "--text", HOSTILE]);
    board
}

#[test]
fn page_says_what_the_command_says() {
    let board = eventful();
    let model = agrees(&board);
    let ends = model.ends();
    let expected = [
        ("completed", 2),
        ("retried", 1),
        ("failed", 1),
        ("released", 1),
        ("blocked", 1),
        ("operator", 1),
        ("cancelled", 1),
        ("lease_over", 1),
        ("held", 1),
    ];
    assert_eq!(ends, HashMap::from(expected));
    assert_eq!(model.0["events"]["repeats"].as_array().unwrap().len(), 1, "three renewals");
    assert_eq!(model.0["begins"]["is_whole"], true);
    // What was archived is there, after what is on the board.
    let ids = &model.0["tasks"]["id"];
    let last = ids.as_array().unwrap().last().unwrap();
    assert_eq!(model.text(last), "gone");
}

#[test]
fn page_fetches_nothing_and_nothing_in_it_steers() {
    let board = eventful();
    let file = board.folder().join("titled.html");
    let title = format!("Release {HOSTILE}");
    let written = ["export", "--html", "--title", &title, file.to_str().unwrap()];
    let answer = board.run(&written).exits(0).json();
    assert_eq!((&answer["format"], &answer["tasks"]), (&json!("html"), &json!(10)));
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!(answer["bytes"], page.len());
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
    let foreign = page.replace("http://www.w3.org/2000/svg", "");
    for word in
        [" src=\"", " href=\"", "@import", "url(", "http://", "https://", "<link", "<iframe"]
    {
        assert!(!foreign.contains(word), "{word}");
    }
    // The data's element and the script's, and nothing that somebody wrote into them.
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    assert!(!page.contains("<img") && !page.contains("<!--"));
    let steering = |c: &char| *c != '\n' && taskhost::wire::steers(*c);
    assert_eq!(page.chars().find(steering), None);
    let path = board.folder().to_str().unwrap();
    assert!(!page.contains(path), "where the board is, is nobody's business");
    assert!(Model::of(&page).tasks()[0]["data"]["url"] == HOSTILE);
}

#[test]
fn page_is_written_as_other_exports_are() {
    let board = TestBoard::new();
    board.add(&["a"]);
    let file = board.folder().join("board.html");
    let arguments = ["export", "--html", file.to_str().unwrap()];
    board.run(&arguments).exits(0);
    let there = fs::read(&file).unwrap();
    assert_eq!(board.run(&arguments).exits(10).text("/error/code"), "conflict");
    assert_eq!(fs::read(&file).unwrap(), there, "what is there is left alone");
    board.run(&["export", "--html", "--format", "todo2", "x"]).exits(2);
    board.run(&["export", "--title", "x"]).exits(2);
    let printed = board.command(&["export", "--html", "-"]).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.starts_with("<!doctype html>") && printed.ends_with("</html>\n"));
    assert_eq!(Model::of(&printed).tasks().len(), 1);
}

#[test]
fn page_says_where_the_history_begins() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    board.run(&["claim", "a", "--agent", "ada"]).exits(0);
    board.run(&["config", "set", "history_size", "0"]).exits(0);
    board.run(&["compact"]).exits(0);
    board.run(&["claim", "b", "--agent", "bob"]).exits(0);
    let model = agrees(&board);
    assert_eq!(model.0["begins"]["is_whole"], false);
    // What the board itself knows of claims is told all the same.
    assert_eq!(model.ends(), HashMap::from([("held", 2)]));
}

/// Ten thousand tasks that were worked on take some kilobytes each at most, and every one is there.
#[test]
fn page_of_ten_thousand_tasks_is_small() {
    const TASKS: usize = 10_000;
    let board = TestBoard::new();
    board.add_many(TASKS, |n, line| {
        line["data"] = json!({ "file": format!("src/part{n}/main.rs") });
        if n % 10 > 0 {
            line["after"] = json!([format!("t{:05}", n / 10 * 10)]);
        }
    });
    let agent = board.open().agent("ada").unwrap();
    for _ in 0..TASKS / 10 {
        let claimed = agent.claim().unwrap().expect("one of ten waits for none");
        claimed.complete(Some(taskhost::Json::parse("{\"ok\":true}").unwrap())).unwrap();
    }
    let page = page(&board);
    let model = agrees(&board);
    assert_eq!(model.tasks().len(), TASKS);
    assert_eq!(model.ends(), HashMap::from([("completed", TASKS / 10)]));
    let bytes = data(&page).len() / TASKS;
    assert!(bytes < 600, "{bytes} bytes for each task");
}
