//! What is cut off, lost or held up is so at exactly the planned moment. The clients are PostgreSQL's own, `psql` for queries
//! and `pgbench` for prepared statements: with a transaction that inserts a row.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use taskhost_test_postgres::{Access, Cutter, Ending, Fault, Programs, Trigger, shared};
use tempfile::TempDir;

/// A table in a database of its own, and a cutter before it.
struct Bench {
    folder: TempDir,
    direct: Access,
    cutter: Cutter,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().expect("there is room for a temporary directory");
        let name = folder.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        let direct = shared().create_database(&name).expect("a name of its own");
        direct.psql("CREATE TABLE t (n serial)").expect("it's empty");
        let cutter = Cutter::before(&direct).expect("a port is free");
        Self { folder, direct, cutter }
    }

    fn rows(&self) -> String {
        self.direct.psql("SELECT count(*) FROM t").expect("the server lives")
    }

    /// A client that inserts a row by a transaction of three statements, so many times: `prepared`, or as `simple` queries.
    fn client(&self, mode: &str, times: u32) -> Child {
        let script = self.folder.path().join("script");
        fs::write(&script, "BEGIN;\nINSERT INTO t DEFAULT VALUES;\nCOMMIT;\n").expect("it's ours");
        let access = self.cutter.access();
        let mut pgbench =
            Command::new(Programs::find().expect("installed").folder().join("pgbench"));
        pgbench.args(["--no-vacuum", "--protocol", mode, "--transactions", &times.to_string()]);
        pgbench.arg("--file").arg(script).arg(access.without_password().url());
        pgbench.env("PGPASSWORD", access.password().expect("it has one"));
        pgbench.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("pgbench is there")
    }

    /// What the client complains of, at its end.
    fn complaint(&self, mode: &str, times: u32) -> Option<String> {
        let ended = self.client(mode, times).wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (!ended.status.success()).then_some(said)
    }

    /// How many clients the server has in a transaction.
    fn in_transaction(&self) -> usize {
        let open = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'";
        self.direct.psql(open).expect("the server lives").parse().expect("a number")
    }
}

#[track_caller]
fn comes_true(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn commit() -> Trigger {
    Trigger::statement("commit")
}

#[test]
fn without_a_plan_everything_passes() {
    let bench = Bench::new();
    for mode in ["simple", "extended", "prepared"] {
        assert_eq!(bench.complaint(mode, 20), None, "{mode}");
    }
    assert_eq!(bench.rows(), "60");
    // Much, in both directions.
    let sql = format!("SELECT repeat('x', 3000000) /* {} */", "y".repeat(100_000));
    assert_eq!(bench.cutter.access().psql(&sql).expect("it passes").len(), 3_000_000);
    assert_eq!(bench.cutter.happened(), 0);
    comes_true("its lines end with its clients", || bench.cutter.connections() == 0);
}

#[test]
fn a_commit_whose_request_is_lost_was_not_done() {
    for mode in ["simple", "prepared"] {
        let bench = Bench::new();
        bench.cutter.plan(Fault::Before(commit()), Ending::Closed);
        assert!(bench.complaint(mode, 1).is_some(), "{mode}");
        assert_eq!((bench.cutter.happened(), bench.rows().as_str()), (1, "0"), "{mode}");
        comes_true("the server has given it up", || bench.in_transaction() == 0);
        assert_eq!(bench.complaint(mode, 1), None, "once means once");
        assert_eq!(bench.rows(), "1", "{mode}");
    }
}

#[test]
fn a_commit_whose_answer_is_lost_was_done() {
    for mode in ["simple", "prepared"] {
        let bench = Bench::new();
        bench.cutter.plan(Fault::After(commit()), Ending::Closed);
        assert!(bench.complaint(mode, 1).is_some(), "{mode}");
        // At once: what was planned has happened only when the server had answered.
        assert_eq!((bench.cutter.happened(), bench.rows().as_str()), (1, "1"), "{mode}");
    }
}

#[test]
fn a_fault_can_wait_until_its_moment_has_passed_a_few_times() {
    let bench = Bench::new();
    bench.cutter.plan_after(2, Fault::After(commit()), Ending::Closed);
    bench.cutter.plan_after(5, Fault::Before(commit()), Ending::Closed);
    assert!(bench.complaint("prepared", 10).is_some());
    assert_eq!((bench.cutter.happened(), bench.rows().as_str()), (1, "3"));
    assert!(bench.complaint("prepared", 10).is_some());
    // It saw the sixth: the third of this client.
    assert_eq!((bench.cutter.happened(), bench.rows().as_str()), (2, "5"));
}

#[test]
fn plans_can_be_forgotten() {
    let bench = Bench::new();
    bench.cutter.plan(Fault::After(commit()), Ending::Closed);
    bench.cutter.forget_plans();
    assert_eq!(bench.complaint("prepared", 1), None);
}

#[test]
fn after_any_number_of_bytes_a_client_is_cut_off_and_its_row_is_there_or_not() {
    let bench = Bench::new();
    assert_eq!(bench.complaint("prepared", 1), None);
    let all = bench.cutter.bytes_max();
    let mut rows = 1;
    // Prime, so that it falls on every place of messages.
    for bytes in (0..all).step_by(23) {
        bench.cutter.plan(Fault::AfterBytes(bytes), Ending::Closed);
        // A client that has heard of its commit can be cut off in its last word.
        let complained = bench.complaint("prepared", 1).is_some();
        comes_true("the server knows", || bench.in_transaction() == 0);
        let there = bench.rows().parse::<u32>().expect("a number") - rows;
        assert!(there == 1 || there == 0 && complained, "{bytes} of {all}: {there}");
        rows += there;
        let said_all_but_goodbye = bytes + 5 >= all;
        assert!(there == 0 || said_all_but_goodbye, "{bytes} of {all}");
    }
    assert_eq!(bench.cutter.happened() as u64, all.div_ceil(23));
}

#[test]
fn a_silent_loss_leaves_the_server_with_an_open_transaction_and_the_client_waiting() {
    let bench = Bench::new();
    bench.cutter.plan(Fault::Before(commit()), Ending::Silent);
    let mut client = bench.client("prepared", 1);
    bench.cutter.wait_until_happened(1).expect("it commits");
    assert_eq!(bench.in_transaction(), 1);
    assert!(client.try_wait().expect("it's ours").is_none());
    // Others aren't concerned.
    assert_eq!(bench.complaint("prepared", 1), None);
    // It ends no sooner than it is cut, also if its client dies.
    client.kill().expect("it's ours");
    client.wait().expect("it was killed");
    assert_eq!(bench.in_transaction(), 1);
    bench.cutter.cut();
    comes_true("the server has given it up", || bench.in_transaction() == 0);
    assert_eq!(bench.rows(), "1");
}

#[test]
fn a_silent_loss_of_the_answer_leaves_the_client_waiting_for_what_was_done() {
    let bench = Bench::new();
    bench.cutter.plan(Fault::After(commit()), Ending::Silent);
    let mut client = bench.client("simple", 1);
    bench.cutter.wait_until_happened(1).expect("it commits");
    assert_eq!((bench.in_transaction(), bench.rows().as_str()), (0, "1"));
    assert!(client.try_wait().expect("it's ours").is_none());
    bench.cutter.cut();
    assert!(!client.wait().expect("it ends").success());
}

#[test]
fn what_is_held_up_arrives_when_it_may_pass_again() {
    let bench = Bench::new();
    bench.cutter.pause();
    let mut client = bench.client("prepared", 5);
    comes_true("it is connected", || bench.cutter.connections() == 1);
    assert!(client.try_wait().expect("it's ours").is_none());
    bench.cutter.resume();
    assert!(client.wait().expect("it ends").success());
    assert_eq!(bench.rows(), "5");
}

#[test]
fn clients_in_the_midst_of_it_are_held_up_too_and_go_on() {
    let bench = Bench::new();
    let mut client = bench.client("prepared", 500);
    comes_true("it has begun", || bench.rows() != "0");
    bench.cutter.pause();
    let rows = || bench.rows().parse::<u32>().expect("a number");
    let held = rows();
    // What was on its way may still arrive: a statement, and the one that its answer lets the client send.
    bench.direct.psql("SELECT pg_sleep(0.2)").expect("the server lives");
    assert!(rows() <= held + 2, "{held}, and then {}", rows());
    assert!(client.try_wait().expect("it's ours").is_none());
    bench.cutter.resume();
    assert!(client.wait().expect("it ends").success());
    assert_eq!(bench.rows(), "500");
}

#[test]
fn whoever_is_connected_is_cut_off_and_may_come_again() {
    let bench = Bench::new();
    let mut client = bench.client("prepared", u32::MAX / 2);
    comes_true("it has begun", || bench.rows() != "0");
    bench.cutter.cut();
    assert!(!client.wait().expect("it ends").success());
    comes_true("no line is left", || bench.cutter.connections() == 0);
    assert_eq!(bench.complaint("prepared", 1), None);
}

#[test]
fn new_clients_are_refused_while_others_go_on() {
    let bench = Bench::new();
    let mut client = bench.client("prepared", u32::MAX / 2);
    comes_true("it has begun", || bench.rows() != "0");
    bench.cutter.refuse();
    let refused = TcpStream::connect(("127.0.0.1", bench.cutter.access().port()));
    let refused = refused.expect_err("nobody listens").kind();
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
    let complaint = bench.complaint("prepared", 1).expect("nobody listens");
    assert!(complaint.contains("Connection refused"), "{complaint}");
    let before = bench.rows();
    comes_true("the first one works on", || bench.rows() != before);

    bench.cutter.accept().expect("the port is free");
    assert_eq!(bench.complaint("prepared", 1), None);
    bench.cutter.cut();
    assert!(!client.wait().expect("it ends").success());
}

#[test]
fn a_client_that_says_nonsense_harms_nobody() {
    let bench = Bench::new();
    for nonsense in [&b"\0\0\0\0"[..], b"\xff\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut client = TcpStream::connect(("127.0.0.1", bench.cutter.access().port()));
        client.as_mut().expect("it listens").write_all(nonsense).expect("it takes it");
    }
    assert_eq!(bench.complaint("prepared", 1), None);
    drop(bench.cutter);
}
