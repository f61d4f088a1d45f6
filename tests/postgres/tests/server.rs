//! A server does what tests and benchmarks take for granted of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use taskhost_test_postgres::{Access, Options, Server, VARIABLE, fresh_board, shared};

fn start() -> Server {
    Server::start(Options::default()).expect("a server starts")
}

#[track_caller]
fn asked(access: &Access, sql: &str) -> String {
    access.psql(sql).unwrap_or_else(|error| panic!("`{sql}`: {error:#}"))
}

#[track_caller]
fn comes_true(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_answers_by_its_socket_and_by_tcp_and_by_tcp_only_with_its_password() {
    let server = start();
    let (socket, tcp) = (server.access().without_password(), server.access().by_tcp());
    assert_eq!(asked(&socket, "SELECT inet_server_addr() IS NULL"), "t");
    assert_eq!(asked(&tcp, "SELECT inet_server_addr()"), "127.0.0.1");
    let refused = tcp.without_password().psql("SELECT 1").expect_err("no password").to_string();
    assert!(refused.contains("no password supplied"), "{refused}");
}

#[test]
fn it_is_as_durable_as_any() {
    let server = start();
    for setting in ["fsync", "synchronous_commit", "full_page_writes", "autovacuum"] {
        assert_eq!(asked(server.access(), &format!("SHOW {setting}")), "on", "{setting}");
    }
    assert_eq!(asked(server.access(), "SHOW max_connections"), "200");
}

#[test]
fn it_is_as_it_was_asked_to_be() {
    let inside = tempfile::tempdir().expect("a directory");
    // So that another user may go through it, if we are root.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(inside.path(), open).expect("it's ours");
    let options = Options::default().connections_max(17).inside(inside.path());
    let options = options.set("cluster_name", "it's").listen_also("127.0.0.2");
    let server = Server::start(options).expect("a server starts");
    assert_eq!(asked(server.access(), "SHOW max_connections"), "17");
    assert_eq!(asked(server.access(), "SHOW cluster_name"), "it's");
    assert_eq!(asked(server.access(), "SHOW listen_addresses"), "127.0.0.1,127.0.0.2");
    assert!(server.data().starts_with(inside.path().canonicalize().expect("it's there")));
    drop(server);
    assert_eq!(fs::read_dir(inside.path()).expect("it's there").count(), 0);
}

#[test]
fn what_was_committed_outlives_a_kill_and_what_was_not_does_not() {
    let server = start();
    asked(server.access(), "CREATE TABLE kept (n int)");
    asked(server.access(), "INSERT INTO kept VALUES (1)");
    let mut open = Command::new("sh");
    // A transaction that is open when the server is killed.
    let url = server.access().without_password().url();
    open.args(["-c", r#"(echo "BEGIN; INSERT INTO kept VALUES (2);"; sleep 600) | psql -Xq "$0""#]);
    let mut open = open.arg(url).process_group(0).stderr(Stdio::null()).spawn().expect("it starts");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
    comes_true("the transaction is open", || asked(server.access(), waiting) == "1");

    server.kill().expect("it runs");
    assert!(server.access().psql("SELECT 1").is_err());
    server.kill().expect_err("it runs no more");
    server.start_again().expect("it recovers");
    assert!(server.log().expect("a log").contains("automatic recovery in progress"));
    assert_eq!(asked(&server.access().by_tcp(), "SELECT n FROM kept"), "1");

    server.restart().expect("it stops and starts");
    assert_eq!(asked(server.access(), "SELECT n FROM kept"), "1");
    server.start_again().expect_err("it runs");
    let group = rustix::process::Pid::from_child(&open);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("it's ours");
    open.wait().expect("it was killed");
}

#[test]
fn a_kill_leaves_no_process_behind() {
    let server = start();
    let pids = "SELECT pg_backend_pid() UNION SELECT pid FROM pg_stat_activity";
    let mut pids: Vec<String> = asked(server.access(), pids).lines().map(str::to_owned).collect();
    let file = fs::read_to_string(server.data().join("postmaster.pid")).expect("it runs");
    pids.extend(file.lines().next().map(str::to_owned));
    assert!(pids.len() >= 4, "{pids:?}");
    server.kill().expect("it runs");
    let status = |pid: &String| fs::read_to_string(format!("/proc/{pid}/status"));
    for pid in &pids {
        let lives = status(pid).is_ok_and(|text| !text.contains("\nState:\tZ"));
        assert!(!lives, "process {pid} lives on");
    }
}

#[test]
fn databases_are_of_their_own_and_one_may_sort_as_people_do() {
    let server = start();
    let plain = server.access().create_database("of \"ada\"").expect("a new name");
    asked(&plain, "CREATE TABLE t (n int)");
    assert!(server.access().psql("SELECT * FROM t").is_err());
    let sorting = server.access().create_database_sorting("people", "en-US").expect("a new name");
    let sorted = "SELECT string_agg(x, ' ' ORDER BY x) FROM unnest(ARRAY['b', 'C', 'a']) AS x";
    assert_eq!(asked(&plain, sorted), "C a b");
    assert_eq!(asked(&sorting, sorted), "a b C");
    let again = server.access().create_database("people").expect_err("taken").to_string();
    assert!(again.contains("already exists"), "{again}");
}

#[test]
fn boards_have_names_that_nobody_else_has() {
    let (one, other) = (fresh_board(), fresh_board());
    assert_ne!(one, other);
    let (url, name) = one.split_once("?board=").expect("a board's address");
    assert!(name.len() <= 50 && name.starts_with(|first: char| first.is_ascii_lowercase()));
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
    assert_eq!(&Access::parse(url).expect("an address"), shared());
    assert_eq!(asked(shared(), "SELECT 1"), "1");
}

#[test]
fn a_run_of_tests_has_the_server_that_the_variable_names() {
    let Ok(named) = std::env::var(SAYS_SHARED) else {
        let server = start();
        let mut test = Command::new(std::env::current_exe().expect("a test knows itself"));
        test.args(["--exact", "a_run_of_tests_has_the_server_that_the_variable_names"]);
        test.env(VARIABLE, server.access().url()).env(SAYS_SHARED, server.access().by_tcp().url());
        assert!(test.status().expect("it starts").success());
        return;
    };
    assert_eq!(shared().by_tcp().url(), named);
    assert_eq!(asked(shared(), "SELECT inet_server_addr() IS NULL"), "t");
    assert_eq!(asked(&shared().by_tcp(), "SELECT 1"), "1");
}

const SAYS_SHARED: &str = "TASKHOST_TEST_SAYS_SHARED";

#[test]
fn it_is_gone_with_all_its_files_when_it_is_dropped_also_by_a_panic() {
    let server = start();
    let data = server.data().to_owned();
    let socket = server.access().socket().expect("it has one").to_owned();
    let panicked = thread::spawn(move || {
        let _server = server;
        panic!("as a test does that fails");
    });
    panicked.join().expect_err("it panicked");
    assert!(!data.exists() && !socket.exists());
    assert_eq!(shared_memory_of(&data), None);
}

#[test]
fn it_is_gone_with_all_its_files_after_its_starter_was_killed() {
    if std::env::var_os(STAYS).is_some() {
        let server = start();
        println!("\nserver {}", server.data().display());
        loop {
            thread::park();
        }
    }
    let mut test = Command::new(std::env::current_exe().expect("a test knows itself"));
    test.args(["--exact", "--nocapture"]);
    test.arg("it_is_gone_with_all_its_files_after_its_starter_was_killed");
    // A whole process group is what a runner of tests kills.
    test.env(STAYS, "yes").process_group(0).stdout(Stdio::piped());
    let mut test = test.spawn().expect("it starts");
    let lines = BufReader::new(test.stdout.take().expect("it has an output")).lines();
    let mut lines = lines.map_while(Result::ok);
    let data = lines.find_map(|line| Some(line.strip_prefix("server ")?.to_owned()));
    let data = data.expect("a server starts");
    let data = Path::new(&data);
    let file = fs::read_to_string(data.join("postmaster.pid")).expect("it runs");
    let pid = file.lines().next().expect("a number").to_owned();

    let group = rustix::process::Pid::from_child(&test);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("it's ours");
    test.wait().expect("it was killed");
    comes_true("its files are gone", || !data.parent().expect("a directory").exists());
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    assert!(stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z ")), "it lives on");
}

const STAYS: &str = "TASKHOST_TEST_STAYS";

#[test]
fn a_server_that_was_killed_leaves_no_shared_memory_when_it_is_dropped() {
    let server = start();
    let data = server.data().to_owned();
    let memory = shared_memory_of(&data).expect("it has some");
    server.kill().expect("it runs");
    assert!(shared_memory().contains(&memory));
    drop(server);
    assert!(!shared_memory().contains(&memory));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let options = Options::default().set("shared_buffers", "plenty");
    let error = format!("{:#}", Server::start(options).expect_err("no number"));
    assert!(error.contains("shared_buffers") && error.contains("plenty"), "{error}");
}

/// The number of the shared memory of the server with these data.
fn shared_memory_of(data: &Path) -> Option<String> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Some(file.lines().nth(6)?.split_ascii_whitespace().nth(1)?.to_owned())
}

/// The numbers of all shared memory of this machine.
fn shared_memory() -> Vec<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").expect("Linux has it");
    let number = |line: &str| line.split_ascii_whitespace().nth(1).map(str::to_owned);
    table.lines().skip(1).filter_map(number).collect()
}
