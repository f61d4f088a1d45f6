//! Waiting: woken by what happens, at no cost while nothing does.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use taskhost::{ClaimOptions, ClaimOutcome};
use taskhost_tests::{Answer, TestBoard};

/// How often the kernel has put a thread of this process on a processor, and the ticks of processor time it took.
fn activity(child: &Child) -> (u64, u64) {
    let process = format!("/proc/{}", child.id());
    let stat = fs::read_to_string(format!("{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let switches = fs::read_dir(format!("{process}/task")).unwrap().map(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        let switches = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        switches.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum::<u64>()
    });
    (switches.sum(), ticks)
}

fn sum(waiters: &[Child]) -> (u64, u64) {
    let each = waiters.iter().map(activity);
    each.fold((0, 0), |(switches, ticks), one| (switches + one.0, ticks + one.1))
}

/// Waiting agents polled: 32 of them kept a processor busy with looking at a board on which nothing happened.
#[test]
fn idle_waiters_cost_next_to_nothing_and_hear_what_comes() {
    const WAITERS: usize = 64;
    let board = TestBoard::new();
    board.add(&["held"]);
    board.claim("busy");
    let wait = |n| board.start(&["claim", "--agent", &format!("w{n}"), "--wait", "5m"]);
    let mut waiters: Vec<Child> = (0..WAITERS).map(wait).collect();
    // They have all begun to wait once a moment passes in which hardly any of them does anything.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut before = sum(&waiters);
    loop {
        thread::sleep(Duration::from_millis(500));
        let now = sum(&waiters);
        // Threads that ended take their count with them.
        if now.0.abs_diff(before.0) < WAITERS as u64 / 4 {
            break;
        }
        assert!(Instant::now() < deadline, "the waiters never came to rest");
        before = now;
    }
    let before = sum(&waiters);
    let moment = Duration::from_secs(4);
    thread::sleep(moment);
    let now = sum(&waiters);
    // Each asks the board every ten seconds, which is some forty switches; a look every 20 ms would be 200.
    let (switches, ticks) = (now.0.abs_diff(before.0), now.1 - before.1);
    assert!(switches < WAITERS as u64 * 40, "{switches} switches");
    // A hundredth of the processor time there was, in ticks of 10 ms.
    assert!(ticks <= 4, "{ticks} ticks of processor time");

    board.add(&["t"]);
    let done = loop {
        let done = waiters.iter_mut().position(|waiter| waiter.try_wait().unwrap().is_some());
        if let Some(done) = done {
            break done;
        }
        assert!(Instant::now() < deadline, "nobody heard of the task");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(Answer::after(waiters.remove(done)).exits(0).text("/task/id"), "t");
    for waiter in &mut waiters {
        assert!(waiter.try_wait().unwrap().is_none(), "one task, one claim");
        waiter.kill().unwrap();
        waiter.wait().unwrap();
    }
}

/// What comes between a look at the board and the beginning of the wait must not be slept through. The waits are
/// shorter than the time after which a waiter asks again of its own accord.
#[test]
fn no_task_is_slept_through() {
    const TASKS: usize = 200;
    let board = TestBoard::new();
    let adder = board.open();
    let claimed: usize = thread::scope(|scope| {
        let agents: Vec<_> = (0..4)
            .map(|n| {
                let board = board.open();
                scope.spawn(move || {
                    let session = board.agent(&format!("agent-{n}")).unwrap();
                    let options =
                        ClaimOptions { wait: Duration::from_secs(8), ..ClaimOptions::default() };
                    let mut claimed = 0;
                    loop {
                        match session.claim_with(&options).unwrap() {
                            ClaimOutcome::Claimed { task, .. } if task.id.as_str() == "end" => {
                                // For the next one.
                                session.claimed(*task).release(None).unwrap();
                                return claimed;
                            }
                            ClaimOutcome::Claimed { task, .. } => {
                                session.claimed(*task).complete(None).unwrap();
                                claimed += 1;
                            }
                            ClaimOutcome::Nothing { .. } => panic!("a waiter slept through a task"),
                        }
                    }
                })
            })
            .collect();
        for n in 0..TASKS {
            let mut task = taskhost::NewTask::new(taskhost::Name::new("work").unwrap());
            task.priority = 1;
            adder.add(&[task]).unwrap();
            // So that the waiters are in all the states that they can be in.
            thread::sleep(Duration::from_micros(((n * 7919) % 3_000) as u64));
        }
        let mut end = taskhost::NewTask::new(taskhost::Name::new("work").unwrap());
        end.id = Some(taskhost::TaskId::new("end").unwrap());
        adder.add(&[end]).unwrap();
        agents.into_iter().map(|agent| agent.join().unwrap()).sum()
    });
    assert_eq!(claimed, TASKS);
}

#[test]
fn claim_that_names_a_process_ends_with_it() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut holder = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = holder.id().to_string();
    let claim = ["claim", "--agent", "script", "--holder-pid", &pid, "--lease", "1h"];
    board.run(&claim).exits(0);
    board.run(&["claim", "--agent", "other"]).exits(3);
    let waiter = board.start(&["claim", "--agent", "other", "--wait", "2m"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let got = Answer::after(waiter).exits(0);
    assert_eq!(got.text("/task/claim/agent"), "other");
    assert_eq!(board.task("t")["attempts"], 2);
    let history = board.run(&["history", "t", "--event", "recovered"]).exits(0).stdout;
    assert!(history.contains("holder_dead"), "{history}");
}

#[test]
fn process_that_is_not_there_can_not_be_named() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let pid = gone.id().to_string();
    board.run(&["claim", "--agent", "a", "--holder-pid", &pid]).exits(2);
    assert_eq!(board.task("t")["status"], "pending");
}

/// Each of two sessions of one name holds what it claimed, and one that goes on under its old id has it again.
#[test]
fn resumed_session_finds_what_it_holds() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    let handle = board.open();
    let mut options = taskhost::SessionOptions::new("ann");
    options.session = Some("s-ann-1".into());
    options.living = false;
    let first = handle.session(&options).unwrap();
    let task = first.claim().unwrap().unwrap();
    let other = handle.session(&taskhost::SessionOptions::new("ann")).unwrap();
    other.claim().unwrap().unwrap();
    drop(first);
    let resumed = board.open().session(&options).unwrap();
    let held = resumed.held().unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].id(), task.id());
    held[0].complete(None).unwrap();
}
