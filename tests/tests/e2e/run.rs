//! What `run` does for its commands: how long, how many, by whom, and what people see of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};
use taskhost_tests::{Answer, Kept, TestBoard, signal};

/// Long enough for a busy machine, and far from for ever.
const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Whether the process whose id a script wrote to `file` is there.
fn is_there(file: &Path) -> bool {
    let pid = read(file).trim().parse().unwrap();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

/// Adds a task of this type.
fn add(board: &TestBoard, task_type: &str, id: &str) {
    board.run(&["add", task_type, "--id", id]).exits(0);
}

#[test]
fn command_that_runs_too_long_is_ended_with_all_it_started() {
    let board = TestBoard::new();
    board.add(&["t"]);
    // The shell goes when it is asked to; what it started doesn't.
    let script = "(trap '' TERM; sh -c 'echo $PPID' > deaf; \
                  while :; do sleep 0.05; done) & \
                  while ! [ -s deaf ]; do sleep 0.01; done; wait";
    let run = ["run", "--agents", "1", "--task-timeout", "2s", "--grace", "300ms"];
    let answer = board.run(&[&run[..], &["--", "sh", "-c", script]].concat()).exits(12);
    assert_eq!(answer.json()["failed"], 1);
    let error = board.task("t")["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("it ran longer than `--task-timeout` (2s)"), "{error}");
    // It was killed before the run ended; whoever collects it now may take a moment.
    until("what the command started is left", || !is_there(&board.folder().join("deaf")));
    board.assert_healthy();
}

#[test]
fn lease_is_kept_while_a_command_tidies_up() {
    // A grace longer than the lease gave the task away while its command was still at work.
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "trap 'sleep 3; echo tidy > tidy; exit' TERM; while :; do sleep 0.05; done";
    let run = board.start(&[
        "run",
        "--agents",
        "1",
        "--lease",
        "1s",
        "--grace",
        "60s",
        "--task-timeout",
        "500ms",
        "--",
        "sh",
        "-c",
        script,
    ]);
    until("the run never claimed", || board.task("t")["status"] == "in_progress");
    board.run(&["claim", "--agent", "other", "--wait", "2s"]).exits(3);
    Answer::after(run).exits(12);
    assert_eq!(read(&board.folder().join("tidy")), "tidy\n");
    assert_eq!(board.task("t")["attempts"], 1);
}

#[test]
fn nothing_is_begun_after_the_last_failure_that_is_borne() {
    let board = TestBoard::new();
    let ids: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    board.add(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let failing = ["--", "sh", "-c", "echo $TASKHOST_TASK >> began; exit 1"];
    let run = |more: &[&str]| board.run(&[&["run", "--agents", "1"], more, &failing].concat());
    let answer = run(&["--max-failures", "2"]).exits(12);
    assert_eq!(answer.json()["stopped_by"], "max_failures");
    assert_eq!(answer.number("/left/ready"), 6);
    assert!(answer.stderr.contains("no further task is begun"), "{answer:?}");
    assert_eq!(read(&board.folder().join("began")).lines().count(), 2);
    // Without it a failure stops nobody.
    let answer = run(&[]).exits(12);
    assert_eq!((answer.number("/failed"), answer.json()["stopped_by"].is_null()), (6, true));
    assert_eq!(read(&board.folder().join("began")).lines().count(), 8);
}

#[test]
fn running_commands_are_finished_when_too_many_have_failed() {
    let board = TestBoard::new();
    board.add(&["slow", "bad", "never"]);
    let script = "case $TASKHOST_TASK in \
                  slow) touch begun; until [ -e failed ]; do sleep 0.01; done; sleep 0.5;; \
                  bad) until [ -e begun ]; do sleep 0.01; done; touch failed; exit 1;; esac";
    let run = ["run", "--agents", "2", "--max-failures", "1", "--", "sh", "-c", script];
    let answer = board.run(&run).exits(12);
    assert_eq!(board.task("slow")["status"], "completed");
    assert_eq!(board.task("bad")["status"], "failed");
    let never = board.task("never");
    assert_eq!(
        (&never["status"], &never["attempts"]),
        (&"pending".into(), &0.into()),
        "{answer:?}"
    );
}

#[test]
fn run_that_keeps_going_fails_the_task_whose_command_cant_be_started() {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    // It may be executed, but what it names is nowhere.
    let program = board.folder().join("program");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    let executable = Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    assert!(executable.success());
    let answer = board.run(&["run", "--agents", "1", "--", "./program"]).exits(1);
    assert!(answer.text("/error/message").contains("can't be started"), "{answer:?}");
    assert_eq!(board.task("t")["attempts"], 0);
    let answer = board.run(&["run", "--agents", "1", "--keep-going", "--", "./program"]).exits(12);
    assert_eq!(answer.number("/failed"), 2);
    assert!(board.task("u")["error"].as_str().unwrap().contains("can't be started"));
}

#[test]
fn agents_of_one_run_get_what_they_can_do_and_ask_for() {
    let board = TestBoard::new();
    for n in 0..4 {
        board.run(&["add", "train", "--id", &format!("gpu{n}"), "--needs", "cuda"]).exits(0);
        add(&board, "lint", &format!("lint{n}"));
        add(&board, "docs", &format!("docs{n}"));
    }
    let answer = board.run(&[
        "run",
        "--agent",
        "gpu:cuda@train*2",
        "--agent",
        "docs@docs",
        "--agent",
        "cpu@lint",
        "--",
        "sh",
        "-c",
        "echo $TASKHOST_AGENT $TASKHOST_TYPE >> log",
    ]);
    let answer = answer.exits(0);
    assert_eq!(answer.number("/completed"), 12);
    let names: Vec<String> = (0..4).map(|n| answer.text(&format!("/agents/{n}/name"))).collect();
    assert_eq!(names, ["gpu-1", "gpu-2", "docs", "cpu"]);
    for line in read(&board.folder().join("log")).lines() {
        let (agent, task_type) = line.split_once(' ').unwrap();
        let expected = match task_type {
            "train" => "gpu-",
            "lint" => "cpu",
            other => other,
        };
        assert!(agent.starts_with(expected), "{line}");
    }
}

#[test]
fn task_that_no_agent_of_the_run_can_do_is_left() {
    let board = TestBoard::new();
    board.run(&["add", "train", "--id", "t", "--needs", "cuda"]).exits(0);
    add(&board, "lint", "l");
    let answer = board.run(&["run", "--agent", "gpu:cuda@lint", "--agent", "cpu", "--", "true"]);
    assert_eq!(answer.exits(0).number("/left/ready"), 1);
}

#[test]
fn task_that_somebody_has_locked_by_hand_is_waited_for() {
    // The run ended after two seconds in which nothing happened, and left what was only locked for a while.
    let board = TestBoard::new();
    add(&board, "i", "i1");
    add(&board, "other", "o1");
    let script = "echo > held; while ! [ -e enough ]; do sleep 0.05; done";
    let lock = board.start(&["lock", "task", "i1", "--", "sh", "-c", script]);
    until("the lock was never had", || board.folder().join("held").exists());
    let run = ["run", "--agents", "1", "--type", "i", "--", "true"];
    let mut run = board.start(&run);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(run.try_wait().unwrap(), None, "the run ended");
    // Nobody waits for what isn't theirs, locked or not.
    board.run(&["run", "--agents", "1", "--type", "another", "--", "true"]).exits(0);
    fs::write(board.folder().join("enough"), "").unwrap();
    Answer::after(lock).exits(0);
    assert_eq!(Answer::after(run).exits(0).json()["completed"], 1);
    assert_eq!(board.task("i1")["status"], "completed");
    assert_eq!(board.task("o1")["status"], "pending");
}

#[test]
fn two_agents_of_one_name_are_refused() {
    let board = TestBoard::new();
    let answer = board.run(&["run", "--agent", "a", "--agent", "a:x", "--", "true"]).exits(2);
    assert!(answer.text("/error/message").contains("`a`"), "{answer:?}");
    board.run(&["run", "--agent", "a", "--agents", "2", "--", "true"]).exits(2);
    board.run(&["run", "--", "true"]).exits(2);
}

/// Runs tasks of two types with `more` and says how many of type `few` ran at once at most.
fn most_at_once(board: &TestBoard, more: &[&str]) -> i32 {
    for n in 0..8 {
        add(board, "few", &format!("few{n}"));
        add(board, "many", &format!("many{n}"));
    }
    let script = "echo + $TASKHOST_TYPE >> log; sleep 0.15; echo - $TASKHOST_TYPE >> log";
    let run = [&["run", "--agents", "6"], more, &["--", "sh", "-c", script]].concat();
    assert_eq!(board.run(&run).exits(0).number("/completed"), 16);
    let mut now = 0;
    let log = read(&board.folder().join("log"));
    let few = log.lines().filter(|line| line.ends_with(" few"));
    let at_once = few.map(|line| {
        now += if line.starts_with('+') { 1 } else { -1 };
        now
    });
    at_once.max().unwrap()
}

#[test]
fn no_more_tasks_of_a_type_run_at_once_than_its_limit_says() {
    // Both with the types that the run asks for, and with any.
    for types in [&[][..], &["--type", "few", "--type", "many"]] {
        let board = TestBoard::new();
        assert_eq!(most_at_once(&board, &[&["--limit", "few=2"], types].concat()), 2);
        // Nobody claimed one that it had to hand back.
        let history = board.run(&["history"]).exits(0).stdout;
        assert!(!history.contains("released"), "{history}");
    }
}

#[test]
fn run_whose_every_type_is_limited_does_everything() {
    let board = TestBoard::new();
    assert_eq!(most_at_once(&board, &["--limit", "few=1", "--limit", "many=1"]), 1);
    board.run(&["run", "--agents", "1", "--limit", "few=0", "--", "true"]).exits(2);
    let twice = ["run", "--agents", "1", "--limit", "a=1", "--limit", "a=2", "--", "true"];
    board.run(&twice).exits(2);
}

#[test]
fn output_is_shown_live_in_whole_lines_after_the_agents_name() {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    let script = "for n in 1 2 3 4 5; do printf 'be'; sleep 0.02; echo gun $n $TASKHOST_AGENT; \
                  printf 'o\\033[31mops\\n' >&2; done; printf last; touch printed.$TASKHOST_TASK; \
                  until [ -e go ]; do sleep 0.01; done";
    let log = board.folder().join("log");
    let mut run = board.command(&["run", "--agents", "2", "--", "sh", "-c", script]);
    let mut run = run.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    // While the commands still run.
    until("the output isn't shown live", || read(&log).matches("begun 5 worker-").count() == 2);
    fs::write(board.folder().join("go"), "").unwrap();
    assert!(run.wait().unwrap().success());
    let shown = read(&log);
    for agent in ["worker-1", "worker-2"] {
        let lines: Vec<&str> =
            shown.lines().filter_map(|line| line.strip_prefix(&format!("{agent} | "))).collect();
        let is_out = |line: &&&str| !line.starts_with('o');
        let out: Vec<String> = lines.iter().filter(is_out).map(ToString::to_string).collect();
        let mut expected: Vec<String> = (1..=5).map(|n| format!("begun {n} {agent}")).collect();
        expected.push("last".into());
        assert_eq!(out, expected, "{shown}");
        assert_eq!(lines.iter().filter(|line| **line == "o\\u{1b}[31mops").count(), 5, "{shown}");
    }
    assert!(read(&board.outputs().join("output/t/1/stdout")).ends_with("last"));
}

#[test]
fn output_is_shown_as_it_was_asked_for() {
    let board = TestBoard::new();
    board.add(&["good", "bad"]);
    let script = "seq -f 'line %g.' 100; test $TASKHOST_TASK = good";
    let run = |show: &str| {
        let run = ["run", "--agents", "1", "--output", show, "--", "sh", "-c", script];
        board.run_plain(&run).stderr
    };
    let shown = run("failed");
    assert_eq!(shown.matches("worker | line ").count(), 20, "{shown}");
    assert!(shown.contains("worker | line 81.") && shown.contains("worker | line 100."), "{shown}");
    // Whoever reads that it failed wants to read on.
    let failure = shown.lines().find(|line| line.contains("`bad` failed")).unwrap();
    let path = failure.split("its output is in `").nth(1).unwrap().trim_end_matches('`');
    assert_eq!(read(&board.folder().join(path).join("stdout")).lines().count(), 100, "{failure}");
    let error = board.task("bad")["error"].as_str().unwrap().to_owned();
    // Who sees a board in files sees what is kept there; of another one it is on the machine that the command ran on.
    let kept = match Kept::here() {
        Kept::InFiles => "`output/bad/1`".to_owned(),
        Kept::InPostgres => format!("`{}` on `", board.outputs().join("output/bad/1").display()),
    };
    assert!(error.contains("exit status 1") && error.contains(&kept), "{error}");

    board.add(&["other"]);
    let shown = run("none");
    assert!(!shown.contains(" | ") && shown.contains("`other` failed"), "{shown}");
}

#[test]
fn background_child_holds_nobody_up_and_is_left_alone() {
    // A pipe that a daemon kept open held up the end of the attempt; closed, it killed the daemon.
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "(until [ -e go ]; do echo still here; sleep 0.02; done; echo > alive) & \
                  echo $! > background; echo done";
    let began = Instant::now();
    let answer = board.run(&["run", "--agents", "1", "--", "sh", "-c", script]).exits(0);
    assert!(began.elapsed() < LONG);
    assert!(answer.stderr.contains("worker | done"), "{answer:?}");
    assert!(is_there(&board.folder().join("background")));
    fs::write(board.folder().join("go"), "").unwrap();
    until("the background child was killed", || board.folder().join("alive").exists());
}

#[test]
fn agent_whose_command_cant_be_started_for_now_is_restarted() {
    // One lack that passes, such as a full process table in the night, ended the whole run.
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    let program = board.folder().join("program");
    fs::copy("/bin/true", &program).unwrap();
    // A program that is being written can't be executed.
    let writing = fs::File::options().append(true).open(&program).unwrap();
    let log = board.folder().join("log");
    let mut run = board.command(&["--json", "run", "--agents", "1", "--", "./program"]);
    run.stderr(fs::File::create(&log).unwrap()).stdout(std::process::Stdio::piped());
    let run = run.spawn().unwrap();
    until("the agent wasn't restarted", || read(&log).contains("the agent is restarted"));
    // Its task went back, and with it the attempt that wasn't made.
    until("the task wasn't handed back", || board.task("t")["status"] == "pending");
    drop(writing);
    let answer = Answer::after(run).exits(0);
    let restarts = answer.number("/restarts");
    assert!(restarts >= 1, "{answer:?}");
    assert_eq!(answer.number("/agents/0/restarts"), restarts);
    assert_eq!(answer.number("/completed"), 2);
    assert_eq!(board.task("t")["attempts"], 1);
}

#[test]
fn stopped_run_gives_its_commands_the_grace_that_it_was_told() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "trap '' TERM; touch begun; while :; do sleep 0.05; done";
    let run = board.start(&["run", "--agents", "1", "--grace", "200ms", "--", "sh", "-c", script]);
    until("the command never began", || board.folder().join("begun").exists());
    let began = Instant::now();
    signal(&run, Signal::TERM);
    Answer::after(run).exits(143);
    // The usual grace is five seconds.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    assert_eq!(board.task("t")["status"], "pending");
}

#[test]
fn command_whose_task_is_somebody_elses_by_now_is_ended() {
    // A run that had slept past its lease let its command go on beside that of the new holder.
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "trap '' TERM; sh -c 'echo $PPID' > deaf; while :; do sleep 0.05; done";
    let run = board.start(&["run", "--agents", "1", "--lease", "1s", "--", "sh", "-c", script]);
    let deaf = board.folder().join("deaf");
    until("the command never began", || !read(&deaf).is_empty());
    signal(&run, Signal::STOP);
    let claim = board.run(&["claim", "--agent", "other", "--wait", "30s"]).exits(0);
    assert!(is_there(&deaf));
    signal(&run, Signal::CONT);
    until("the command goes on", || !is_there(&deaf));
    let token = claim.number("/task/claim/token").to_string();
    board.run(&["complete", "t", "--agent", "other", "--token", &token]).exits(0);
    let answer = Answer::after(run).exits(0);
    assert_eq!((answer.number("/lost"), answer.number("/completed")), (1, 0));
}

#[test]
fn command_may_open_its_output_again_and_outlive_the_run() {
    // Whoever is killed takes nothing of what its commands print with it.
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "echo one >> /dev/stdout; touch begun; until [ -e go ]; do sleep 0.02; done; \
                  echo two; touch done";
    let mut run = board.start(&["run", "--agents", "1", "--", "sh", "-c", script]);
    until("the command never began", || board.folder().join("begun").exists());
    run.kill().unwrap();
    run.wait().unwrap();
    fs::write(board.folder().join("go"), "").unwrap();
    until("the command died", || board.folder().join("done").exists());
    assert_eq!(read(&board.outputs().join("output/t/1/stdout")), "one\ntwo\n");
}
