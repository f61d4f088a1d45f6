//! Spans: what an embedding program's `tracing`, and whoever sets `TASKHOST_LOG`, hears of the operations.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use taskhost::{
    Action, Board, BoardSettings, ChangeRequest, Filter, Finish, Json, ListQuery, Name, NewTask,
    Owner, TaskId, Token,
};
use taskhost_tests::{Answer, TestBoard};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What must never be told: it stands in data, results, errors, reasons, keys and values.
const SECRET: &str = "hunter2";

/// Everything that a subscriber is told of spans.
#[derive(Clone, Default)]
struct Heard {
    spans: Arc<Mutex<Vec<Span>>>,
    count: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        let before = self.fields.insert(field.name(), text);
        assert!(before.is_none(), "`{}` of `{}` is told twice", field.name(), self.name);
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "taskhost"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut heard = Span { name: span.metadata().name(), ..Span::default() };
        assert_eq!(*span.metadata().level(), tracing::Level::DEBUG);
        span.record(&mut heard);
        self.spans.lock().unwrap().push(heard);
        Id::from_u64(self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64() - 1).unwrap();
        values.record(&mut self.spans.lock().unwrap()[index]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Heard {
    /// The spans of this name, oldest first.
    fn named(&self, name: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The only span of this name, if it says this: its fields but the board and the lengths of time.
    #[track_caller]
    fn says(&self, name: &str, fields: &[(&str, &str)]) {
        let said: Vec<BTreeMap<&str, String>> = self
            .named(name)
            .into_iter()
            .map(|mut span| {
                span.fields.retain(|field, _| *field != "board" && !field.ends_with("_us"));
                span.fields
            })
            .collect();
        let fields: BTreeMap<&str, String> =
            fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert!(said.contains(&fields), "`{name}` says {said:?}, not {fields:?}");
    }
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn secret() -> Json {
    Json::parse(&format!("{{\"password\": \"{SECRET}\"}}")).unwrap()
}

/// Two tasks whose data nobody is to hear of.
fn add(board: &Board) {
    let task = |name: &str| NewTask {
        id: Some(id(name)),
        data: secret(),
        key: Some(format!("{SECRET}-{name}")),
        ..NewTask::new(Name::new("work").unwrap())
    };
    board.add(&[task("one"), task("two"), task("three")]).unwrap();
}

/// What holders do: claims, heartbeats, ends of claims, and what comes too late.
fn work(board: &Board) -> String {
    let ada = board.agent("ada").unwrap();
    let only = |name: &str| Filter { only: Some(id(name)), ..Filter::default() };
    let key = Some(format!("{SECRET}-claim"));
    let options = taskhost::ClaimOptions { filter: only("one"), key, ..Default::default() };
    ada.claim_with(&options).unwrap();
    let first = ada.held().unwrap().remove(0);
    first.heartbeat().unwrap();
    first.complete(Some(secret())).unwrap();
    let second = ada.claim().unwrap().unwrap();
    second.fail(SECRET).unwrap();
    let third = ada.claim().unwrap().unwrap();
    third.release(Some(SECRET.into())).unwrap();
    let stale = taskhost::Proof { token: Some(Token::try_from(9999).unwrap()), ..third.proof() };
    board.finish(third.id(), &stale, &Finish::Complete(Some(secret()))).unwrap_err();
    assert!(ada.may_claim(&Default::default()).unwrap());
    ada.agent().session.to_string()
}

/// What is done beside claims, and looked at.
fn look_and_change(board: &Board) {
    let by = Name::new("olga").unwrap();
    let cancel = Action::Cancel { cascade: false, reason: Some(SECRET.into()) };
    let (ids, by) = (vec![id("three")], Some(by));
    let request = ChangeRequest { ids, action: cancel, by, together: false, dry_run: false };
    board.change(&request).unwrap();
    let request = ChangeRequest { ids: vec![id("nobody")], ..request };
    board.change(&request).unwrap();
    let by = request.by.as_ref();
    board.set_meta(&id(SECRET), Some(&secret()), None, by).unwrap();
    let edit = |settings: &mut BoardSettings| {
        settings.fallback = true;
        Ok(())
    };
    board.configure(&edit, by).unwrap();
    let values = board.contexts();
    let owner = Owner::Task(id("one"));
    values.set(&owner, &id(SECRET), SECRET.as_bytes(), board.deadline()).unwrap();
    values.append(&owner, &id(SECRET), SECRET.as_bytes(), board.deadline()).unwrap();
    assert!(values.get(&owner, &id(SECRET)).unwrap().is_some());
    assert_eq!(values.list(&owner).unwrap().len() + values.owners().unwrap().len(), 2);
    values.remove(&owner, &id(SECRET), board.deadline()).unwrap();
    let ada = board.agent("ada").unwrap();
    board.task(&id("one")).unwrap();
    board.task(&id("nobody")).unwrap_err();
    board.explain(&id("two"), Some(ada.agent())).unwrap();
    board.prospect(ada.agent(), &Filter::default()).unwrap();
    board.list(&ListQuery { limit: 9, ..ListQuery::default() }).unwrap();
    board.history(Default::default(), |_, _| true).unwrap();
    board.children(&id("one"), None, 9).unwrap();
    board.meta(&id(SECRET)).unwrap();
    board.view().unwrap();
    board.head().unwrap();
    board.next_due().unwrap();
    board.census().unwrap();
    board.metas().unwrap();
    board.figures().unwrap();
    board.disk_use().unwrap();
    board.policies().unwrap();
    board.settings().unwrap();
    board.wait(board.mark().unwrap(), std::time::Duration::ZERO).unwrap();
    drop(board.hold_task(&id("one"), None).unwrap());
    drop(board.hold_board(Some("olga")).unwrap());
    board.export(&mut Vec::new()).unwrap();
    board.compact().unwrap();
    board.compact_if_due().unwrap();
    assert!(board.doctor().is_clean());
}

#[test]
fn a_subscriber_hears_of_each_operation_and_of_nothing_that_is_in_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board");
    let heard = Heard::default();
    let session = tracing::subscriber::with_default(heard.clone(), || {
        Board::init(&path, &Default::default()).unwrap();
        let board = Board::open(&path).unwrap();
        add(&board);
        let session = work(&board);
        look_and_change(&board);
        Board::open(folder.path().join("nowhere")).unwrap_err();
        session
    });
    let ada = [("agent", "ada"), ("session", &*session)];
    heard.says("taskhost.add", &[("tasks", "3")]);
    let claimed = [("task", "one"), ("token", "1"), ("outcome", "claimed")];
    heard.says("taskhost.claim", &[&ada[..], &claimed].concat());
    let claimed = [("task", "two"), ("token", "2"), ("outcome", "claimed")];
    heard.says("taskhost.claim", &[&ada[..], &claimed].concat());
    heard.says("taskhost.heartbeat", &[("agent", "ada"), ("task", "one"), ("token", "1")]);
    let held = [("agent", "ada"), ("task", "one"), ("token", "1"), ("outcome", "completed")];
    heard.says("taskhost.complete", &held);
    let held = [("agent", "ada"), ("task", "two"), ("token", "2"), ("outcome", "failed")];
    heard.says("taskhost.fail", &held);
    let held = [("agent", "ada"), ("task", "three"), ("token", "3"), ("outcome", "pending")];
    heard.says("taskhost.release", &held);
    let late = [("agent", "ada"), ("task", "three"), ("token", "9999"), ("error", "stale_token")];
    heard.says("taskhost.complete", &late);
    let change = [("verb", "cancel"), ("tasks", "1"), ("agent", "olga")];
    heard.says(
        "taskhost.change",
        &[&change[..], &[("task", "three"), ("outcome", "done")]].concat(),
    );
    let failed = [("task", "nobody"), ("outcome", "failed"), ("error", "no_such_task")];
    heard.says("taskhost.change", &[&change[..], &failed].concat());
    heard.says("taskhost.task", &[("task", "nobody"), ("error", "no_such_task")]);
    heard.says("taskhost.open", &[("error", "no_such_board")]);
    heard.says("taskhost.context_set", &[("task", "one")]);
    for name in [
        "init",
        "open",
        "session",
        "may_claim",
        "set_meta",
        "configure",
        "context_append",
        "context_get",
        "context_list",
        "context_owners",
        "context_remove",
        "explain",
        "prospect",
        "list",
        "history",
        "children",
        "meta",
        "view",
        "head",
        "next_due",
        "census",
        "metas",
        "figures",
        "disk_use",
        "policies",
        "settings",
        "wait",
        "hold_task",
        "hold_board",
        "export",
        "compact",
        "compact_if_due",
        "doctor",
    ] {
        assert!(!heard.named(&format!("taskhost.{name}")).is_empty(), "nothing of `{name}`");
    }
    let spans = heard.spans.lock().unwrap();
    for span in &*spans {
        assert!(!format!("{span:?}").contains(SECRET), "{span:?}");
        assert!(span.fields["board"].starts_with(&*folder.path().to_string_lossy()), "{span:?}");
    }
    let claim = spans.iter().find(|span| span.name == "taskhost.claim").unwrap();
    for part in ["lock_wait_us", "lock_hold_us", "sync_us", "hooks_us"] {
        assert!(claim.fields[part].parse::<u64>().is_ok(), "{claim:?}");
    }
}

/// A `taskhost` that tells what it does.
fn telling(board: &TestBoard, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut command = board.command(&[&["--json"], arguments].concat());
    Answer::of(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn taskhost_log_tells_of_operations_on_standard_error_when_they_end() {
    let board = TestBoard::new();
    let add = ["add", "work", "--id", "one", "--data", "\"hunter2\""];
    let quiet = telling(&board, &add, &[]).exits(0);
    assert_eq!(quiet.stderr, "");
    let claim = ["claim", "--agent", "ada", "--session", "s-1"];
    let told = telling(&board, &claim, &[("TASKHOST_LOG", "taskhost=debug")]).exits(0);
    assert_eq!(told.text("/task/id"), "one", "the answer is what it was");
    let line = told.stderr.lines().find(|line| line.contains(" taskhost.claim{")).unwrap();
    for part in
        ["agent=ada", "session=s-1", "task=one", "token=1", "outcome=\"claimed\"", "time.busy="]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(!told.stderr.contains("hunter2"), "{}", told.stderr);

    let json = [("TASKHOST_LOG", "taskhost=debug"), ("TASKHOST_LOG_FORMAT", "json")];
    let complete = ["complete", "one", "--agent", "ada", "--token", "7", "--result", "\"hunter2\""];
    let told = telling(&board, &complete, &json).exits(4);
    let lines: Vec<Value> =
        told.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let span = |line: &&Value| line["span"]["name"] == "taskhost.complete";
    let span = &lines.iter().find(span).unwrap()["span"];
    assert_eq!((&span["token"], &span["error"]), (&7.into(), &"stale_token".into()), "{span}");
    assert!(span["lock_wait_us"].is_u64() && !told.stderr.contains("hunter2"), "{}", told.stderr);
}

#[test]
fn a_wrong_filter_is_a_mistake_that_says_what_is_wrong() {
    let board = TestBoard::new();
    for (variables, what) in [
        (&[("TASKHOST_LOG", "taskhost=loud")][..], "`TASKHOST_LOG` is `taskhost=loud`"),
        (
            &[("TASKHOST_LOG", "taskhost=debug"), ("TASKHOST_LOG_FORMAT", "xml")],
            "`TASKHOST_LOG_FORMAT` is `xml`",
        ),
    ] {
        let answer = telling(&board, &["add", "work", "--id", "one"], variables).exits(2);
        assert_eq!(answer.text("/error/code"), "usage");
        assert!(answer.text("/error/message").contains(what), "{}", answer.stdout);
    }
    board.run(&["show", "one"]).exits(5);
    telling(&board, &["list"], &[("TASKHOST_LOG", "")]).exits(0);
}
