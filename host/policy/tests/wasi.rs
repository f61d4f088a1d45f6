//! The empty WASI: what a runtime of another language may ask for, and what it gets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Board, agent, id, made};
use taskhost_board::{FailureKind, Policies};

const DROPS: &str = r#"
    (import "taskhost:policy/board@0.1.0" "[resource-drop]view" (func $drop-view (param i32)))
    (import "taskhost:policy/transactions@0.1.0" "[resource-drop]transaction" (func $drop-tx (param i32)))"#;

/// A policy whose `assignment` runs `body` and then refuses with the text at 1024 of `len` bytes. The request
/// is more than is passed as parameters, so its only one is a pointer.
fn asking(wasi: &str, imports: &str, body: &str, text: &str) -> Vec<u8> {
    let len = text.len();
    made::policy(
        &format!(
            "include taskhost:policy/imports@0.1.0; {wasi} export taskhost:policy/assignment@0.1.0;"
        ),
        &format!("{DROPS} {imports}"),
        &format!(
            r#"(data (i32.const 1024) "{text}")
               (data (i32.const 2048) "\03\00\00\00\00\04\00\00\{len:02x}\00\00\00")
               (func (export "taskhost:policy/assignment@0.1.0#choose")
                    (param $args i32) (result i32)
                    {body}
                    (call $drop-view (i32.load (local.get $args)))
                    (call $drop-tx (i32.load offset=4 (local.get $args)))
                    i32.const 2048)"#
        ),
    )
}

// A sleeping policy would hold the board's lock; and its clock stands still, so it would sleep for ever.
#[test]
fn sleeping_ends_the_hook() {
    let policy = asking(
        "import wasi:clocks/monotonic-clock@0.2.0;",
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $sleep (param i64) (result i32)))"#,
        "(drop (call $sleep (i64.const 1000000)))",
        "slept",
    );
    let board = Board::led_by(&policy, &[]);
    board.add(&["t"]);
    let failure = board.failure("a");
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.detail.contains("a policy's time stands still"), "{failure}");
}

#[test]
fn clocks_are_the_transactions() {
    let policy = asking(
        "import wasi:clocks/monotonic-clock@0.2.0;",
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))"#,
        // The board in memory is one second old.
        "(if (i64.ne (call $now) (i64.const 1000000000)) (then unreachable))",
        "on time",
    );
    let board = Board::led_by(&policy, &[]);
    board.add(&["t"]);
    assert_eq!(board.refusal("a"), "on time");
}

#[test]
fn environment_is_empty() {
    let policy = asking(
        "import wasi:cli/environment@0.2.0;",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))"#,
        "(call $environment (i32.const 3072)) (if (i32.load offset=4 (i32.const 3072)) (then unreachable))",
        "empty",
    );
    let board = Board::led_by(&policy, &[]);
    board.add(&["t"]);
    assert_eq!(board.refusal("a"), "empty");
}

#[test]
fn arguments_are_empty_and_no_directory_is_given() {
    for (interface, function) in [
        ("wasi:cli/environment@0.2.0", "get-arguments"),
        ("wasi:filesystem/preopens@0.2.0", "get-directories"),
    ] {
        let policy = asking(
            &format!("import {interface};"),
            &format!(r#"(import "{interface}" "{function}" (func $given (param i32)))"#),
            "(call $given (i32.const 3072)) (if (i32.load offset=4 (i32.const 3072)) (then unreachable))",
            "nothing",
        );
        let board = Board::led_by(&policy, &[]);
        board.add(&["t"]);
        assert_eq!(board.refusal("a"), "nothing", "{function}");
    }
}

// Whoever runs `taskhost` has a terminal or a pipe there, which isn't the policy's to read.
#[test]
fn standard_input_has_nothing() {
    let policy = asking(
        "import wasi:cli/stdin@0.2.0;",
        r#"(import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]input-stream.read" (func $read (param i32 i64 i32)))"#,
        // An error, as at the end of a file, or an empty list.
        "(call $read (call $stdin) (i64.const 1) (i32.const 3072))
         (if (i32.eqz (i32.load8_u (i32.const 3072)))
             (then (if (i32.load offset=8 (i32.const 3072)) (then unreachable))))",
        "nothing",
    );
    let board = Board::led_by(&policy, &[]);
    board.add(&["t"]);
    assert_eq!(board.refusal("a"), "nothing");
}

// A runtime may ask for the network when it starts, so it is there to be asked for; each request is refused.
#[test]
fn nobody_gets_a_socket_or_a_name_looked_up() {
    let create = |transport: &str| {
        let interface = format!("wasi:sockets/{transport}-create-socket@0.2.0");
        asking(
            &format!("import {interface};"),
            &format!(
                r#"(import "{interface}" "create-{transport}-socket" (func $create (param i32 i32)))"#
            ),
            "(call $create (i32.const 0) (i32.const 3072))
             (if (i32.eqz (i32.load8_u (i32.const 3072))) (then unreachable))",
            "refused",
        )
    };
    let look_up = asking(
        "import wasi:sockets/instance-network@0.2.0; import wasi:sockets/ip-name-lookup@0.2.0;",
        r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
           (import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses"
               (func $resolve (param i32 i32 i32 i32)))"#,
        // The text of the refusal is a name as well.
        "(call $resolve (call $network) (i32.const 1024) (i32.const 7) (i32.const 3072))
         (if (i32.eqz (i32.load8_u (i32.const 3072))) (then unreachable))",
        "refused",
    );
    for (what, policy) in [("tcp", create("tcp")), ("udp", create("udp")), ("dns", look_up)] {
        let board = Board::led_by(&policy, &[]);
        board.add(&["t"]);
        assert_eq!(board.refusal("a"), "refused", "{what}");
    }
}

// Python says why it failed on standard error only.
#[test]
fn standard_error_goes_to_the_log_and_explains_a_trap() {
    let print = r#"
        (call $write (call $stderr) (i32.const 1024) (i32.const 18) (i32.const 3072))"#;
    let imports = r#"
        (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))"#;
    let wasi = "import wasi:cli/stderr@0.2.0;";
    let text = "ValueError: a bug.";
    let board = Board::led_by(&asking(wasi, imports, print, text), &[]);
    board.add(&["t"]);
    let explained = board.engine.explain(&id("t"), Some(&agent("a"))).unwrap();
    assert_eq!(explained.log, [text]);

    let trapping = format!("{print} unreachable");
    let board = Board::led_by(&asking(wasi, imports, &trapping, text), &[]);
    board.add(&["t"]);
    let failure = board.failure("a");
    assert!(failure.detail.starts_with("ValueError: a bug.: "), "{failure}");
}

#[test]
fn exit_is_a_failure_and_not_the_end_of_the_process() {
    let policy = asking(
        "import wasi:cli/exit@0.2.0;",
        r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        "(call $exit (i32.const 0))",
        "still here",
    );
    let board = Board::led_by(&policy, &[]);
    board.add(&["t"]);
    let failure = board.failure("a");
    assert!(failure.detail.contains("it called `exit(0)`"), "{failure}");
}

#[test]
fn wasi_beyond_the_empty_one_is_refused() {
    let policy = made::trapping(
        "import wasi:http/outgoing-handler@0.2.0; export taskhost:policy/about@0.1.0;",
    );
    let failure = Board::standard().runtime.check(&policy).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidComponent);
    assert!(failure.detail.contains("imports `wasi:http/outgoing-handler@0.2.0`"), "{failure}");
}

// Threads would run beside the hook, and go on after it.
#[test]
fn memory_for_threads_is_refused() {
    let policy = made::policy("", "", "(memory $shared 1 1 shared)");
    let failure = Board::standard().runtime.check(&policy).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidComponent);
    assert!(failure.detail.contains("can't be compiled"), "{failure}");
}
