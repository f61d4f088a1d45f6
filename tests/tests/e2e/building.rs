//! Building somebody's project: what of it runs, and who waits for whom.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use taskhost_tests::{Answer, Holder, TestBoard};

/// `python -m pip` takes modules from the current directory first: whoever built a project by standing in it ran its
/// `pip.py`, with all his rights, when a tool was installed. The same is tried with everything that runs then.
#[test]
fn nothing_of_a_project_runs_when_its_tools_are_installed() {
    let board = TestBoard::missing();
    let project = board.folder().join("mine");
    let tools = board.folder().join("tools");
    let marker = board.folder().join("ran");
    board.run(&["policy", "new", "mine", "--lang", "python"]).exits(0);
    let planted =
        format!("open({:?}, 'a').write(__name__ + '\\n')\n", marker.display().to_string());
    for module in ["pip", "venv", "ensurepip", "sysconfig", "site", "sitecustomize", "subprocess"] {
        fs::write(project.join(format!("{module}.py")), &planted).unwrap();
    }
    let script = format!("#!/bin/sh\necho $0 >> '{}'\n", marker.display());
    for program in ["python3", "python", "node", "npm", "zig"] {
        let path = project.join(program);
        fs::write(&path, &script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    let path = format!(".:{}", std::env::var("PATH").unwrap());
    let mut build = board.command(&["--json", "policy", "build"]);
    build.current_dir(&project).env("PATH", path).env("TASKHOST_TOOLS", &tools);
    // Nothing need be downloaded to see what runs.
    build.env("PIP_NO_INDEX", "1");
    let answer = Answer::of(build.output().unwrap()).exits(1);
    assert_eq!(answer.text("/error/code"), "not_installed", "pip was asked: {answer:?}");
    assert_eq!(fs::read_to_string(&marker).ok(), None, "it ran");
}

/// Whoever built a project that another process was building waited without end and without a word, whatever `--timeout`
/// said.
#[test]
fn another_build_of_the_same_is_waited_for_aloud_and_not_for_ever() {
    let board = TestBoard::missing();
    board.run(&["policy", "new", "mine", "--lang", "c"]).exits(0);
    let _other = Holder::flock(&board.folder().join("mine/build/lock"));
    let build = ["policy", "build", "mine", "--offline", "--timeout", "200ms"];
    let answer = board.run(&build).exits(6);
    assert_eq!(answer.text("/error/code"), "lock_timeout");
    assert_eq!(answer.json()["error"]["retryable"], true);
    assert!(answer.number("/error/waited_ms") >= 200);
    assert!(answer.stderr.contains("waiting for another build of this project"), "{answer:?}");
    assert!(!board.folder().join("mine/mine.wasm").exists());
}
