//! `policy check` says everything that is wrong with a file, at once and soon; what policies may use, and what they used.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use taskhost_tests::{Answer, TestBoard, policy};

/// Much more than any of it takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Runs the command, which must end soon.
fn ends(board: &TestBoard, arguments: &[&str]) -> Answer {
    let mut command = board.command(&[&["--json"], arguments].concat());
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(command.output()));
    let output = ended.recv_timeout(SOON);
    Answer::of(output.unwrap_or_else(|_| panic!("{arguments:?} never ended")).unwrap())
}

/// What `policy check` and `policy set` both say about a file; nothing is set.
fn refused(board: &TestBoard, file: &Path, code: i32, words: &str) -> Answer {
    let before = board.run(&["policy", "list"]).exits(0).stdout;
    let path = file.to_str().unwrap();
    let checked = ends(board, &["policy", "check", path]).exits(code);
    let set = ends(board, &["policy", "set", path]).exits(code);
    for answer in [&checked, &set] {
        let message = answer.text("/error/message");
        assert!(message.contains(words), "{path}: `{words}`: {message}");
    }
    assert_eq!(checked.text("/error/code"), set.text("/error/code"));
    assert_eq!(board.run(&["policy", "list"]).exits(0).stdout, before);
    checked
}

fn written(board: &TestBoard, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = board.folder().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_is_no_component_is_told_in_one_report() {
    let board = TestBoard::new();
    let elf = fs::read("/bin/true").unwrap();
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "it is empty"),
        ("text", b"import os\nprint('hello')\n", "it isn't WebAssembly"),
        ("wat", b"(component)", "text format"),
        ("elf", &elf, "compiled code"),
        ("module", b"\0asm\x01\0\0\0", "core module"),
        ("header", b"\0asm\x0d\0\x01\0", "doesn't export `taskhost:policy/about@0.1.0`"),
    ];
    for (name, bytes, words) in cases {
        let answer = refused(&board, &written(&board, name, bytes), 8, words);
        assert_eq!(answer.text("/error/kind"), "invalid_component", "{name}");
    }
}

// A pipe that nobody writes to was waited for, and a directory's error didn't say what to give instead.
#[test]
fn what_is_no_file_or_too_large_is_refused_unread() {
    let board = TestBoard::new();
    let pipe = board.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&board, &pipe, 2, "it is a pipe or a device");
    refused(&board, Path::new("/dev/zero"), 2, "it is a pipe or a device");
    refused(&board, board.folder(), 2, "it is a directory");
    refused(&board, &board.folder().join("missing"), 2, "No such file");
    let large = written(&board, "large", b"garbage");
    File::options().write(true).open(&large).unwrap().set_len(200 << 20).unwrap();
    refused(&board, &large, 2, "it has 209715200 bytes, and a policy at most 64MiB");
}

#[test]
fn component_that_was_cut_off_is_refused_wherever_that_is() {
    let board = TestBoard::new();
    let whole = fs::read(policy("newest-first")).unwrap();
    for part in [whole.len() / 2, whole.len() / 3, whole.len() - 1, 9] {
        let cut = written(&board, "cut", &whole[..part]);
        refused(&board, &cut, 8, "cut off or damaged");
    }
}

#[test]
fn every_mismatch_is_a_line_for_people_and_in_a_list_for_programs() {
    let board = TestBoard::new();
    let component = wat::parse_str(
        r#"(component
            (import "taskhost:policy/clock@0.1.0" (instance $clock
                (export "now" (func (result string)))
                (export "tomorrow" (func (result u64)))))
            (import "wasi:http/outgoing-handler@0.2.6" (instance))
            (export "taskhost:policy/readiness@0.1.0" (instance $clock))
            (export "wasi:cli/run@0.2.6" (instance $clock)))"#,
    )
    .unwrap();
    let file = written(&board, "wrong.wasm", &component);
    let answer = refused(&board, &file, 8, "it doesn't export `taskhost:policy/about@0.1.0`");
    let told = answer.json()["error"]["mismatches"].clone();
    let told: Vec<&str> = told.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    for words in [
        "it imports `clock.now` with the result `string`, which is `u64` in the contract",
        "it imports `tomorrow` of `taskhost:policy/clock@0.1.0`",
        "it imports `wasi:http/outgoing-handler@0.2.6`",
        "its `taskhost:policy/readiness@0.1.0` has no function `classify`",
        "it exports `wasi:cli/run@0.2.6`",
        "it doesn't export `taskhost:policy/about@0.1.0`",
    ] {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:#?}");
    }
    let plain = board.run_plain(&["policy", "check", file.to_str().unwrap()]).exits(8);
    for line in &told {
        assert!(plain.stderr.lines().any(|printed| printed.trim() == *line), "{line}: {plain:?}");
    }
}

#[test]
fn other_version_of_the_contract_is_one_sentence() {
    let board = TestBoard::new();
    let component = wat::parse_str(
        r#"(component
            (import "taskhost:policy/clock@9.0.0" (instance $clock (export "now" (func (result string)))))
            (export "taskhost:policy/about@9.0.0" (instance $clock)))"#,
    )
    .unwrap();
    let file = written(&board, "newer.wasm", &component);
    let answer = refused(&board, &file, 8, "upgrade taskhost, or rebuild it against 0.1.0");
    assert!(answer.json()["error"].get("mismatches").is_none(), "{answer:?}");
}

#[test]
fn policy_that_fits_is_told_with_its_size_and_what_it_imports() {
    let board = TestBoard::new();
    let path = policy("newest-first");
    let answer = board.run(&["policy", "check", path.to_str().unwrap()]).exits(0);
    assert_eq!(answer.number("/component/bytes"), fs::metadata(&path).unwrap().len());
    assert!(answer.number("/component/code_bytes") > 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(
        (&json["component"]["contract"], &json["component"]["wasi"]),
        (&"0.1.0".into(), &serde_json::json!([]))
    );
    let imports = json["component"]["imports"].as_array().unwrap();
    assert!(imports.contains(&"transactions".into()), "{json}");
    let plain = board.run_plain(&["policy", "check", path.to_str().unwrap()]).exits(0).stdout;
    assert!(
        plain.contains("hooks   assignment") && plain.contains("wasi      not wanted"),
        "{plain}"
    );
}

#[test]
fn policys_own_limits_are_set_within_the_boards_and_shown() {
    let board = TestBoard::new();
    let set = |setting: &str| board.run(&["policy", "set", "current", "--setting", setting]);
    set("host.deadline=200ms").exits(0);
    set("host.memory=32MiB").exits(0);
    let limit = |at: usize, field: &str| {
        board.run(&["policy", "show"]).exits(0).text(&format!("/leading/limits/{at}/{field}"))
    };
    let shown = |at| ["name", "value", "board", "holds"].map(|field| limit(at, field));
    assert_eq!(shown(0), ["host.deadline", "200ms", "1s", "200ms"]);
    assert_eq!(shown(1), ["host.memory", "32MiB", "64MiB", "32MiB"]);
    let refusal = set("host.deadline=2s").exits(2).text("/error/message");
    assert!(
        refusal.contains("`host.deadline=2000ms`") && refusal.contains("`policy_deadline=1000ms`"),
        "{refusal}"
    );
    let refusal = set("host.stepps=3").exits(2).text("/error/message");
    assert!(refusal.contains("no limit `host.stepps`"), "{refusal}");
    // The board's limit is lowered afterwards, and the policy goes on.
    board.run(&["config", "set", "policy_deadline", "100ms"]).exits(0);
    assert_eq!(shown(0), ["host.deadline", "200ms", "100ms", "100ms"]);
    board.add(&["t"]);
    board.claim("a");
    let plain = board.run_plain(&["policy", "show"]).exits(0).stdout;
    assert!(
        plain.contains("host.deadline=100ms    (the board's, and its own is 200ms)"),
        "{plain}"
    );
}

#[test]
fn time_and_memory_of_each_hook_are_shown() {
    let board = TestBoard::new();
    board.add(&["t"]);
    board.claim("a");
    for command in [&["status"][..], &["policy", "show"]] {
        let answer = board.run(command).exits(0);
        assert!(answer.number("/asked/hooks/assignment/count") > 0, "{answer:?}");
        assert!(answer.number("/asked/hooks/assignment/memory_bytes_max") >= 1 << 16, "{answer:?}");
        assert!(answer.json()["asked"]["hooks"].get("recovery").is_none(), "{answer:?}");
    }
    let plain = board.run_plain(&["policy", "show"]).exits(0).stdout;
    assert!(plain.contains("HOOK") && plain.contains("assignment"), "{plain}");
    let plain = board.run_plain(&["status"]).exits(0).stdout;
    assert!(plain.contains("asked     ") && plain.contains("at most, since "), "{plain}");
}

/// All that `policy check` called it was its digest, `8bf4d3c0…`, which nobody had typed.
#[test]
fn what_is_no_policy_is_called_by_its_file() {
    let board = TestBoard::missing();
    written(&board, "odd name.wasm", b"print('hello')");
    let answer = board.run(&["policy", "check", "odd name.wasm"]).exits(8);
    let said = answer.text("/error/message");
    assert!(said.starts_with("policy `odd name.wasm` failed in `load`"), "{said}");
    assert_eq!(answer.text("/error/policy"), "odd name.wasm");
}
