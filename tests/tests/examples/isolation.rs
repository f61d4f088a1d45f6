//! In every language a policy has the contract and nothing else: each power of the machine it is run on is refused, or is
//! one that the transaction stands for, and never the real one. (Rust's is `hostile`'s.)

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_tests::{TestBoard, built_policy};
use taskhost_trial::scenario::Scenario;
use taskhost_trial::{Subject, run};

const SECRET: &str = "a value that only this test's processes have";

/// A board whose policy is `isolation-LANGUAGE`, with a task that could be claimed.
fn board(language: &str) -> TestBoard {
    let board = TestBoard::new();
    // An interpreter that starts on a busy machine takes its time.
    board.run(&["config", "set", "policy_deadline", "20s"]).exits(0);
    let component = built_policy(&format!("isolation-{language}"));
    board.run(&["policy", "set", &component.to_string_lossy()]).exits(0);
    board.add(&["t"]);
    board
}

/// What the policy got; `failed` and why, if its hook didn't live to tell.
fn reached(board: &TestBoard, power: &str, target: &str) -> String {
    let settings = [format!("power={power}"), format!("target={target}")];
    let set = ["policy", "set", "current", "--setting", &settings[0], "--setting", &settings[1]];
    board.run(&set).exits(0);
    let mut claim = board.command(&["--json", "claim", "--agent", "ada"]);
    let output = claim.env("SECRET", SECRET).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |pointer: &str| answer.pointer(pointer).and_then(|text| text.as_str());
    match output.status.code() {
        Some(3) => text("/detail").unwrap().to_owned(),
        Some(8) => format!("failed: {}", text("/error/message").unwrap()),
        other => panic!("{power}: {other:?}: {answer}"),
    }
}

#[track_caller]
fn assert_refused(power: &str, said: &str) {
    assert!(said.starts_with("refused: ") || said.starts_with("failed: "), "{power}: {said}");
}

fn assert_is_alone(language: &str) {
    let board = board(language);
    for power in ["environment", "arguments"] {
        let said = reached(&board, power, "");
        assert!(["{}", "[]"].contains(&&*said) || said.starts_with("refused: "), "{said}");
        assert!(!said.contains(SECRET));
    }

    let file = board.folder().join("file");
    fs::write(&file, SECRET).unwrap();
    for power in ["read-file", "write-file"] {
        assert_refused(power, &reached(&board, power, &file.to_string_lossy()));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), SECRET);
    let folder = board.folder().to_string_lossy().into_owned();
    assert_refused("list-directory", &reached(&board, "list-directory", &folder));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for power in ["socket", "name-lookup"] {
        assert_refused(power, &reached(&board, power, &address));
    }
    assert!(listener.accept().is_err(), "nobody may have connected");

    for power in ["sleep", "thread", "subprocess"] {
        assert_refused(power, &reached(&board, power, ""));
    }
    let times = reached(&board, "wall-clock", "");
    let (first, second) = times.split_once(' ').unwrap();
    assert_eq!(first, second, "time stands still during a hook");
    board.assert_healthy();
}

#[test]
fn policy_in_python_reaches_nothing_of_the_machine() {
    assert_is_alone("python");
}

#[test]
fn policy_in_javascript_reaches_nothing_of_the_machine() {
    assert_is_alone("javascript");
}

#[test]
fn policy_in_c_reaches_nothing_of_the_machine() {
    assert_is_alone("c");
}

/// JavaScript's own clock stood still at the time of its build.
#[test]
fn clocks_of_all_languages_are_the_transactions() {
    for language in ["python", "javascript", "c"] {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let said = reached(&board(language), "wall-clock", "");
        let time: u128 = said.split(' ').next().unwrap().parse().unwrap();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert!((before..=after).contains(&time), "{language}: {time} in {before} to {after}");
    }
}

/// How a policy fares that answers with numbers of this power three times, in an instance that was used before and in
/// fresh ones.
fn drawn(language: &str, power: &str) -> String {
    let component = fs::read(built_policy(&format!("isolation-{language}"))).unwrap();
    let subject = Subject::of(component, taskhost::STANDARD_POLICY.to_vec());
    let runner = |powers: Arc<dyn taskhost::domain::Powers>| {
        Ok(taskhost::policies(powers).expect("policies can be run"))
    };
    let text = format!("policy power={power}\nadd t\nrepeat 3\nclaim ada => nothing\nend\n");
    let outcome = run(&Scenario::parse(&text).unwrap(), &subject, &runner).unwrap();
    outcome.faults.into_iter().map(|fault| fault.what).collect()
}

/// There are many ways to ask for the time, and `new Date()` is the one that is found in most code.
#[test]
fn every_clock_of_javascript_tells_the_transactions_time() {
    let said = reached(&board("javascript"), "clocks", "");
    assert!(said.parse::<u64>().is_ok(), "different times, or none: {said}");
}

/// JavaScript's numbers were seeded when the policy was built, and went on from there in an instance that was used again.
#[test]
fn numbers_of_javascript_are_the_transactions() {
    for power in ["entropy", "random", "uuid"] {
        assert_eq!(drawn("javascript", power), "", "{power}");
    }
}

/// Numbers that never change would be the same in every instance too.
#[test]
fn numbers_of_javascript_differ_between_transactions_and_have_their_shape() {
    let board = board("javascript");
    let [first, second] = [(); 2].map(|()| reached(&board, "random", ""));
    assert_ne!(first, second);
    for number in [first, second] {
        let number: f64 = number.parse().unwrap();
        assert!((0.0..1.0).contains(&number), "{number}");
    }
    let uuid = reached(&board, "uuid", "");
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
    assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
}

/// Python draws some numbers for itself at its first call: in a fresh instance they were those of the hook, which then got
/// what comes after.
#[test]
fn numbers_of_python_are_the_transactions() {
    for power in ["entropy", "random"] {
        assert_eq!(drawn("python", power), "", "{power}");
    }
}

/// C's `rand` is the library's own, with its own state. It is never the machine's, and a policy that decides by it is
/// found out when it is tried: the contract's `random` is what it should ask.
#[test]
fn numbers_of_cs_own_are_found_out_when_a_policy_is_tried() {
    let said = drawn("c", "random");
    assert!(said.contains("in a fresh instance"), "{said}");
}
