//! Servers that are away for a while, and who may do what on them.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use taskhost_test_postgres::{Options, Server};
use taskhost_tests::{Answer, taskhost};

/// A board on a server of its own.
struct Own {
    server: Server,
    address: String,
    folder: tempfile::TempDir,
}

impl Own {
    fn init() -> Self {
        let server = Server::start(Options::default()).unwrap();
        let address = server.access().board("main");
        let own = Self { server, address, folder: tempfile::tempdir().unwrap() };
        own.run(&["init"]).exits(0);
        own
    }

    fn command(&self, address: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(taskhost());
        command.args(["--json", "--board", address]).args(arguments);
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(&self.address, arguments).output().unwrap())
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(&self.address, arguments).spawn().unwrap()
    }

    fn is_away_for(&self, while_away: Duration) {
        self.server.stop_fast().unwrap();
        thread::sleep(while_away);
        self.server.start_again().unwrap();
    }
}

#[test]
fn those_who_wait_and_those_who_work_outlast_a_server_that_is_away() {
    // A server that couldn't be reached was an error like a missing right, which nobody tries again: a `run` ended a second
    // after its server had gone, and what its commands had done was lost; `claim --wait` ended too, and loops that waited for
    // work with it.
    let own = Own::init();
    own.run(&["add", "work", "--id", "first"]).exits(0);
    let done = own.folder.path().join("done");
    let script = format!("touch begun; sleep 4; echo . >> {}", done.display());
    let run = own.start(&["run", "--agents", "1", "--type", "work", "--", "sh", "-c", &script]);
    let waits = own.start(&["claim", "--agent", "ada", "--type", "late", "--wait", "60s"]);
    while !own.folder.path().join("begun").exists() {
        thread::sleep(Duration::from_millis(10));
    }
    // Both have opened the board by then, and the command is still at it.
    thread::sleep(Duration::from_secs(1));
    own.is_away_for(Duration::from_secs(8));
    own.run(&["add", "late", "--id", "late"]).exits(0);
    assert_eq!(Answer::after(waits).exits(0).text("/task/id"), "late");
    Answer::after(run).exits(0);
    let first = own.run(&["show", "first"]).exits(0);
    assert_eq!(first.text("/task/status"), "completed");
    assert_eq!(std::fs::read_to_string(done).unwrap(), ".\n", "it was done once");
}

#[test]
fn a_server_that_cannot_be_reached_is_said_to_be_so() {
    let own = Own::init();
    own.server.stop_fast().unwrap();
    for arguments in [&["add", "work"][..], &["claim", "--agent", "ada"], &["list"]] {
        let answer = own.run(&[&["--timeout", "300ms"], arguments].concat()).exits(11);
        assert_eq!(answer.text("/error/code"), "unreachable");
        assert_eq!(answer.json()["error"]["retryable"], true);
    }
    own.server.start_again().unwrap();
    own.run(&["add", "work"]).exits(0);
}

#[test]
fn whoever_was_granted_a_board_works_on_it_and_others_may_be_let_look() {
    // Which rights it takes was said nowhere.
    let own = Own::init();
    own.run(&["add", "work", "--id", "first"]).exits(0);
    let page = std::fs::read_to_string(taskhost_tests::workspace().join("README.md")).unwrap();
    let (_, grants) = page.split_once("```sql\n").unwrap();
    let (grants, _) = grants.split_once("```").unwrap();
    let grants = grants.replace("taskhost_nightly", "taskhost_main");
    let access = own.server.access();
    access
        .psql(&format!("CREATE ROLE agents; CREATE ROLE ada LOGIN IN ROLE agents; {grants}"))
        .unwrap();
    access
        .psql(
            "CREATE ROLE eve LOGIN; GRANT USAGE ON SCHEMA taskhost_main TO eve; \
             GRANT SELECT ON ALL TABLES IN SCHEMA taskhost_main TO eve; \
             GRANT SELECT ON ALL SEQUENCES IN SCHEMA taskhost_main TO eve",
        )
        .unwrap();
    let (_, place) = own.address.split_once('@').unwrap();
    let of = |user: &str| format!("postgres://{user}@{place}");
    let run = |user: &str, arguments: &[&str]| {
        Answer::of(own.command(&of(user), arguments).output().unwrap())
    };
    run("ada", &["add", "work", "--id", "second", "--after", "first"]).exits(0);
    for id in ["first", "second"] {
        let claimed = run("ada", &["claim", "--agent", "ada"]).exits(0);
        assert_eq!(claimed.text("/task/id"), id);
        let token = claimed.number("/task/claim/token").to_string();
        run("ada", &["complete", id, "--agent", "ada", "--token", &token]).exits(0);
    }
    run("ada", &["config", "set", "history_age", "30d"]).exits(0);
    run("ada", &["compact"]).exits(0);
    run("ada", &["policy", "set", "standard"]).exits(0);
    run("ada", &["context", "set", "--task", "first", "log", "done"]).exits(0);
    for reading in ["list", "status", "stats", "history", "tree", "doctor"] {
        run("eve", &[reading]).exits(0);
    }
    let refused = run("eve", &["add", "work"]).exits(1);
    assert!(refused.text("/error/message").contains("whoever owns it may grant that"));
    own.run(&["doctor"]).exits(0);
}
