//! Policies are tried on scenarios before they are set.

use std::fs;

use taskhost_tests::{Answer, TestBoard, built_policy, policy, workspace};

/// `policy test`, away from any board.
fn tried(arguments: &[&str]) -> Answer {
    TestBoard::missing().run(&[&["policy", "test"], arguments].concat())
}

#[test]
fn standard_policy_does_what_its_scenarios_say() {
    let scenarios = workspace().join("guest/standard/scenarios");
    let answer = tried(&["standard", &scenarios.to_string_lossy()]).exits(0).json();
    assert_eq!(answer["passed"], true);
    let files = fs::read_dir(scenarios).unwrap().count();
    let of_suite = |tried: &&serde_json::Value| {
        tried["scenario"].as_str().is_some_and(|name| name.starts_with("suite/"))
    };
    let all = answer["scenarios"].as_array().unwrap();
    assert_eq!(all.len() - all.iter().filter(of_suite).count(), files);
    assert!(all.iter().all(|tried| tried["steps"].as_u64() > Some(4)), "{answer}");
}

/// Every setting of the standard policy is in its scenarios, each with every value it can have if they can be counted.
#[test]
fn scenarios_of_the_standard_policy_leave_no_setting_out() {
    let mut text = String::new();
    for file in fs::read_dir(workspace().join("guest/standard/scenarios")).unwrap() {
        text += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let board = TestBoard::new();
    let shown = board.run(&["policy", "show"]).exits(0).json();
    let settings = shown["standard"]["settings"].as_array().unwrap();
    assert!(settings.len() > 5, "{shown}");
    for setting in settings {
        let name = setting["name"].as_str().unwrap();
        assert!(text.contains(&format!("{name}=")), "{name}");
    }
    for value in [
        "parent=children-first",
        "parent=parent-first",
        "parent=independent",
        "cascade=block",
        "cascade=cancel",
    ] {
        assert!(text.contains(value), "{value}");
    }
}

/// Every example, in whatever language, does what every policy must, and what its own scenarios say.
#[test]
fn examples_pass_the_suite_and_their_scenarios() {
    let mut tried_any = false;
    for example in fs::read_dir(workspace().join("guest/examples")).unwrap() {
        let example = example.unwrap().path();
        let scenarios = example.join("scenarios");
        if !example.is_dir() {
            continue;
        }
        assert!(scenarios.is_dir(), "{} has no scenarios", example.display());
        let component = built_policy(&example.file_name().unwrap().to_string_lossy());
        let answer = tried(&[&component.to_string_lossy(), &scenarios.to_string_lossy()]);
        assert_eq!(answer.code, 0, "{}: {}", example.display(), answer.stdout);
        tried_any = true;
    }
    assert!(tried_any);
}

#[test]
fn suite_finds_every_policy_that_misbehaves() {
    let hostile = policy("hostile");
    for (mode, words) in [
        ("panic", "the policy panics because it was told to"),
        ("lie", "failed in `assignment`"),
        ("fickle", "in a fresh instance; keep nothing in globals"),
    ] {
        let setting = format!("mode={mode}");
        let answer = tried(&[&hostile.to_string_lossy(), "--setting", &setting]).exits(8).json();
        assert_eq!(answer["passed"], false, "{mode}");
        let found = answer["scenarios"].to_string();
        assert!(found.contains(words), "{mode}: {found}");
    }
}

/// A policy that fails in every fresh instance, but not in one that was used before, passed: what the fresh ones did wrong
/// was dropped, and that they had stopped early wasn't seen.
#[test]
fn policy_that_fails_in_a_fresh_instance_is_found_out() {
    let board = TestBoard::missing();
    let file = board.folder().join("used.scenario");
    fs::write(&file, "add a\nclaim ada => a\ncomplete a => completed\n").unwrap();
    let answer = tried(&[
        &policy("hostile").to_string_lossy(),
        &file.to_string_lossy(),
        "--only",
        "--setting",
        "mode=unprepared",
    ]);
    let fault = &answer.exits(8).json()["scenarios"][0]["faults"][0];
    assert_eq!(fault["line"], 2, "{fault}");
    let what = fault["what"].as_str().unwrap();
    assert!(what.contains("it gave `a`; the policy failed"), "{what}");
    assert!(what.ends_with("keep nothing in globals that a decision depends on"), "{what}");
}

/// Scenarios were read without bound: from a device for ever, and `repeat` could make any number of tasks.
#[test]
fn scenario_without_an_end_is_refused() {
    let board = TestBoard::missing();
    let file = board.folder().join("long.scenario");
    for (text, words) in [
        ("repeat 4294967295\nend\n", "at most 100000 times"),
        ("repeat 10000\nadd a{n} --count 10000\nend\n", "at most 100000 tasks"),
        ("# Nothing happens.\n", "there is no step in it"),
    ] {
        fs::write(&file, text).unwrap();
        let answer =
            board.run(&["policy", "test", "standard", "--only", &file.to_string_lossy()]).exits(2);
        let message = answer.text("/error/message");
        assert!(message.contains(words), "{words}: {message}");
    }
    for device in ["/dev/zero", "/dev/tty"] {
        board.run(&["policy", "test", "standard", "--only", device]).exits(2);
    }
    // As an editor may leave it before the first line.
    fs::write(&file, "\u{feff}add a\nclaim ada => a\n").unwrap();
    board.run(&["policy", "test", "standard", "--only", &file.to_string_lossy()]).exits(0);
}

#[test]
fn policy_that_gives_nobody_anything_conforms_and_people_are_told() {
    let hostile = policy("hostile");
    let hostile = hostile.to_string_lossy();
    let arguments = ["policy", "test", &hostile, "--setting", "mode=refuse"];
    let plain = TestBoard::missing().run_plain(&arguments).exits(0);
    assert!(plain.stderr.contains("nobody was given anything"), "{}", plain.stderr);
    assert_eq!(TestBoard::missing().run(&arguments).exits(0).json()["given"], 0);
}

#[test]
fn what_did_not_come_as_expected_is_told_with_line_and_what_came_instead() {
    let board = TestBoard::missing();
    let file = board.folder().join("mine.scenario");
    fs::write(&file, "# Oldest first.\nadd a\nadd b\nclaim ada => a\n").unwrap();
    let component = policy("newest-first");
    let arguments =
        ["policy", "test", &component.to_string_lossy(), &file.to_string_lossy(), "--only"];
    let plain = board.run_plain(&arguments).exits(8);
    for words in ["FAILED", "Oldest first.", "line 4: claim ada => a", "it gave `b`"] {
        assert!(plain.stdout.contains(words), "{words}: {}", plain.stdout);
    }
    let fault = &board.run(&arguments).exits(8).json()["scenarios"][0]["faults"][0];
    assert_eq!((fault["line"].as_u64(), fault["what"].as_str()), (Some(4), Some("it gave `b`")));
}

#[test]
fn what_is_no_scenario_is_told_before_anything_is_run() {
    let board = TestBoard::missing();
    fs::write(board.folder().join("good.scenario"), "add a\n").unwrap();
    let file = board.folder().join("bad.scenario");
    for (text, words) in [
        ("add a\nclam ada => a\n", "line 2: `clam` is no step: there are `add`, `claim`"),
        ("claim ada --size 3\n", "line 1: `claim` has no option `--size`"),
        ("claim ada =>\n", "line 1: after `=>` stands a task's id"),
        ("repeat 3\nclaim ada\n", "has no `end`"),
        ("wait soon\n", "line 1: "),
    ] {
        fs::write(&file, text).unwrap();
        let folder = board.folder().to_string_lossy().into_owned();
        let answer = board.run(&["policy", "test", "standard", &folder, "--only"]).exits(2);
        let message = answer.text("/error/message");
        assert!(message.contains(words), "{words}: {message}");
        assert!(message.contains("bad.scenario"), "{message}");
    }
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_string_lossy().into_owned();
    let message = board.run(&["policy", "test", "standard", &folder]).exits(2);
    assert!(message.text("/error/message").contains("no file `*.scenario`"));
    board.run(&["policy", "test", "standard", "--setting", "leese=1m"]).exits(2);
}

#[test]
fn suite_can_be_read_and_the_guide_names_every_step() {
    let board = TestBoard::missing();
    let guide = board.run_plain(&["policy", "test", "--guide"]).exits(0).stdout;
    let message = board.run(&["policy", "test", "--print", "nothing"]).exits(2);
    assert!(message.text("/error/message").contains("`one-holder`"));
    let text = board.run_plain(&["policy", "test", "--print", "one-holder"]).exits(0).stdout;
    assert!(text.starts_with("# No task has two holders"));
    let wrong = board.folder().join("wrong.scenario");
    fs::write(&wrong, "nonsense\n").unwrap();
    let answer = board.run(&["policy", "test", "standard", &wrong.to_string_lossy()]).exits(2);
    let message = answer.text("/error/message");
    let steps: Vec<&str> = message.split("there are ").nth(1).unwrap().split('`').collect();
    let steps: Vec<&str> = steps.into_iter().skip(1).step_by(2).take(24).collect();
    assert_eq!(steps.len(), 24, "{message}");
    for step in steps {
        let is_there = guide.lines().any(|line| {
            line.split_whitespace().next() == Some(step) || line.contains(&format!(" {step} "))
        });
        assert!(is_there, "{step}");
    }
}
