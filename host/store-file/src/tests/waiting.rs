//! Waiting for entries, deaths and locks that are let go.

use super::locks::{kill, spawn, spawn_living, spawn_writer, wait_until};
use taskhost_board::{Mark, Vital};

use super::*;

/// So long that a wait that reaches it has slept through something.
const LONG: Duration = Duration::from_secs(20);

/// Waits in a thread of its own while `act` happens, and says what it was woken by.
#[track_caller]
fn woken(store: &FileStore, past: Mark, act: impl FnOnce()) -> Mark {
    let started = Deadline::now();
    let mark = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.wait(past, LONG).unwrap());
        wait_until(|| store.inner.waiting.is_watched());
        // Not for the outcome, but so that it is the kernel that wakes it.
        std::thread::sleep(Duration::from_millis(20));
        act();
        waiter.join().unwrap()
    });
    assert!(started.elapsed() < LONG && mark != past, "{mark:?}");
    mark
}

fn claim_living(store: &FileStore, session: &str) {
    let engine = engine(store);
    add(&engine, "a", &[]);
    let mut request = claim_request("x");
    request.agent.session = SessionId::new(session).unwrap();
    request.agent.living = true;
    assert!(matches!(engine.claim(&request, far()).unwrap(), ClaimOutcome::Claimed { .. }));
}

#[test]
fn a_waiter_is_woken_by_another_handles_entry() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let mut mark = store.mark().unwrap();
    for n in 1..=3 {
        let seen = woken(&store, mark, || {
            remember(&other, &n.to_string()).unwrap();
        });
        assert_eq!(seen.newest, Sequence(n));
        mark = seen;
    }
    // What happened before is not waited for.
    remember(&other, "k").unwrap();
    assert_eq!(store.wait(mark, LONG).unwrap().newest, Sequence(4));
    let mark = store.mark().unwrap();
    assert_eq!(store.wait(mark, Duration::from_millis(30)).unwrap(), mark);
}

#[test]
fn all_threads_of_a_handle_that_wait_are_woken() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let mark = store.mark().unwrap();
    std::thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..8).map(|_| scope.spawn(|| store.wait(mark, LONG).unwrap())).collect();
        remember(&other, "k").unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().newest, Sequence(1));
        }
    });
}

#[test]
fn a_waiter_is_woken_by_a_switch_of_generations_and_by_what_comes_after_it() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    add(&engine(&other), "a", &[]);
    let mark = store.mark().unwrap();
    let mark = woken(&store, mark, || {
        set_policy(&engine(&other), OTHER).unwrap();
    });
    assert_eq!(mark, store.mark().unwrap());
    let mark = woken(&store, mark, || {
        // Nothing that a compaction does is an entry; what follows is heard in the new generation.
        other.compact(far()).unwrap();
        remember(&other, "k").unwrap();
    });
    assert_eq!(mark.newest, other.mark().unwrap().newest);
}

#[test]
fn a_waiter_is_woken_by_the_death_of_a_process_that_held_a_life_lock() {
    let (directory, store) = fresh();
    let child = spawn_living(&board(&directory));
    claim_living(&store, "s");
    let other = open(&board(&directory));
    let mut opened = other.begin(far()).unwrap();
    let vital = Vital::Session(SessionId::new("s").unwrap());
    let mark = other.mark().unwrap();
    // It was found alive just before, which must not count any more once it is known to be dead.
    assert_eq!(opened.dead(std::slice::from_ref(&vital)), []);
    drop(opened);
    let seen = woken(&other, mark, || kill(child));
    assert!(seen.deaths > mark.deaths && seen.newest == mark.newest);
    assert_eq!(other.begin(far()).unwrap().dead(std::slice::from_ref(&vital)), [vital]);
}

/// The holder died after the waiter had looked and before it listened.
#[test]
fn a_death_before_the_wait_began_ends_it() {
    let (directory, store) = fresh();
    let child = spawn_living(&board(&directory));
    claim_living(&store, "s");
    let other = open(&board(&directory));
    let mark = other.mark().unwrap();
    kill(child);
    let started = Deadline::now();
    assert!(other.wait(mark, LONG).unwrap().deaths > mark.deaths);
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_waiter_is_woken_when_a_task_lock_that_it_was_refused_is_let_go() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let refused = |expected: bool| {
        let mut locks = store.begin(far()).unwrap().task_locks();
        assert_eq!(locks.try_hold(&id("t")).unwrap(), expected);
    };
    // By hand; and by a process that is killed.
    let lock = other.hold_task(&id("t"), None, far()).unwrap();
    let mark = store.mark().unwrap();
    refused(false);
    let mark = woken(&store, mark, || drop(lock));
    refused(true);
    let (child, _) = spawn("task", &board(&directory));
    refused(false);
    let mark = woken(&store, mark, || kill(child));
    // Before the wait began.
    let lock = other.hold_task(&id("t"), None, far()).unwrap();
    refused(false);
    drop(lock);
    let seen = store.wait(mark, LONG).unwrap();
    assert!(seen.deaths > mark.deaths);
    // By a program whose letting go isn't heard.
    let file = board(&directory).join("locks/task_t.lock");
    let mut program = std::process::Command::new("flock");
    program.arg(&file).args(["sh", "-c", "echo 'said: held'; exec cat"]);
    program.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let (child, _) = locks::start(&mut program);
    refused(false);
    woken(&store, seen, || {
        // The lock is the shell's as well, which runs on.
        drop(child.stdin);
    });
    refused(true);
}

#[test]
fn a_waiter_is_woken_when_a_process_that_a_claim_names_dies() {
    let (directory, store) = fresh();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let one = engine(&store);
    add(&one, "a", &[]);
    let mut request = claim_request("x");
    request.agent.process = Some(crate::process(child.id()).unwrap());
    assert!(matches!(one.claim(&request, far()).unwrap(), ClaimOutcome::Claimed { .. }));
    let other = open(&board(&directory));
    let mark = other.mark().unwrap();
    let seen = woken(&other, mark, || child.kill().unwrap());
    assert!(seen.deaths > mark.deaths);
    child.wait().unwrap();
    // Its claim stands still; whoever has looked isn't woken by the same again at once.
    assert_eq!(other.wait(seen, Duration::from_millis(1_500)).unwrap(), seen);
}

/// It came back when somebody next asked, which was half a second later on average.
#[test]
fn the_death_of_a_process_that_a_claim_names_is_heard_and_not_asked_about() {
    let (directory, store) = fresh();
    let children: Vec<_> = (0..2)
        .map(|n| {
            let child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            add(&engine(&store), &format!("t{n}"), &[]);
            let mut request = claim_request("x");
            request.agent.process = Some(crate::process(child.id()).unwrap());
            let outcome = engine(&store).claim(&request, far()).unwrap();
            assert!(matches!(outcome, ClaimOutcome::Claimed { .. }));
            child
        })
        .collect();
    let other = open(&board(&directory));
    let mut mark = other.mark().unwrap();
    // Here it hears of them; it listens on for a while after that.
    assert_eq!(other.wait(mark, Duration::from_millis(10)).unwrap(), mark);
    other.inner.waiting.stop_asking();
    for mut child in children {
        let seen = woken(&other, mark, || child.kill().unwrap());
        assert!(seen.deaths > mark.deaths && seen.newest == mark.newest);
        child.wait().unwrap();
        mark = seen;
    }
    // What has ended doesn't keep the kernel talking.
    let before = other.inner.waiting.wakes();
    assert_eq!(other.wait(mark, Duration::from_millis(300)).unwrap(), mark);
    assert!(other.inner.waiting.wakes() - before <= 2);
}

/// The kernel speaks at the append, when the line doesn't count yet; whoever looked once and slept on slept for ever.
#[test]
fn no_entry_is_slept_through_however_the_writer_and_the_waiter_meet() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let (child, reader) = spawn_writer(&path);
    let mut mark = store.mark().unwrap();
    for _ in 0..300 {
        let started = Deadline::now();
        mark = store.wait(mark, LONG).unwrap();
        assert!(started.elapsed() < LONG);
    }
    kill(child);
    reader.join().unwrap();
    // One entry at a time, each of which must be heard by itself.
    let other = open(&path);
    let (go, gone) = std::sync::mpsc::channel::<u64>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in gone {
                for _ in 0..n * 37 {
                    std::hint::spin_loop();
                }
                remember(&other, &n.to_string()).unwrap();
            }
        });
        let mut mark = store.mark().unwrap();
        for n in 0..500 {
            go.send(n).unwrap();
            let started = Deadline::now();
            let seen = store.wait(mark, LONG).unwrap();
            assert!(started.elapsed() < LONG, "entry {n} was slept through");
            mark = if seen.newest > mark.newest { seen } else { store.wait(seen, LONG).unwrap() };
        }
        drop(go);
    });
}

/// A writer that dies between the append and the count leaves a line that nobody hears of again; and one that is
/// stopped there goes on later, without a sound.
#[test]
fn a_line_that_is_written_and_does_not_count_is_a_sign() {
    use std::io::Write as _;
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    remember(&other, "k").unwrap();
    let mark = store.mark().unwrap();
    let journal = board(&directory).join("journal-1.jsonl");
    let seen = woken(&store, mark, || {
        let mut journal = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
        journal.write_all(b"{\"half a").unwrap();
    });
    assert_eq!((seen.newest, seen.deaths), (mark.newest, mark.deaths + 1));
    // Whoever looks under the lock mends it.
    let seen = woken(&store, seen, || {
        remember(&other, "l").unwrap();
    });
    assert_eq!(seen.newest, Sequence(2));
    // A line that the words don't count yet is looked at until they do: nothing is heard of that.
    let current = store.inner.open_generation().unwrap();
    current.words.set_appended(Sequence(1));
    let before = store.mark().unwrap();
    assert_eq!(before.newest, Sequence(1));
    let touched = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    let told =
        woken(&store, before, || touched.set_len(touched.metadata().unwrap().len()).unwrap());
    assert_eq!((told.newest, told.deaths), (Sequence(1), before.deaths + 1));
    let counted = woken(&store, told, || {
        std::thread::sleep(Duration::from_millis(50));
        current.words.set_appended(Sequence(2));
    });
    assert_eq!((counted.newest, counted.deaths), (Sequence(2), told.deaths));
}

/// Sixty-four agents that wait for work must cost nothing.
#[test]
fn an_idle_board_wakes_nobody() {
    let (_directory, store) = fresh();
    add(&engine(&store), "a", &[]);
    assert!(claim(&engine(&store), "x").is_some());
    let mark = store.mark().unwrap();
    assert_eq!(store.wait(mark, Duration::from_millis(200)).unwrap(), mark);
    let before = store.inner.waiting.wakes();
    assert!(before > 0, "it listens");
    assert_eq!(store.wait(mark, Duration::from_millis(2_500)).unwrap(), mark);
    let wakes = store.inner.waiting.wakes() - before;
    assert!(wakes <= 2, "{wakes} wake-ups in 2.5 s");
    // Nor do others' claims that look at locks of tasks, or at sessions that live.
    let lock = store.hold_task(&id("t"), None, far()).unwrap();
    drop(lock);
    let _life = store.live(&SessionId::new("s").unwrap()).unwrap();
    let before = store.inner.waiting.wakes();
    for _ in 0..100 {
        let mut opened = store.begin(far()).unwrap();
        assert!(opened.task_locks().try_hold(&id("t")).unwrap());
        opened.dead(&[Vital::Session(SessionId::new("s").unwrap())]);
        store.inner.probes.lock().clear();
    }
    assert!(store.inner.waiting.wakes() - before <= 2);
}

#[test]
fn the_thread_that_listens_ends_with_its_handle() {
    let (_directory, store) = fresh();
    let threads = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
        };
        names.map(name).filter(|name| name.trim() == "taskhost-watch").count()
    };
    let mark = store.mark().unwrap();
    store.wait(mark, Duration::from_millis(10)).unwrap();
    wait_until(|| threads() >= 1);
    let watching = Arc::downgrade(&store.inner);
    drop(store);
    wait_until(|| watching.upgrade().is_none());
    // Other tests of this binary may have threads of their own, where they share a process.
    if std::env::var_os("NEXTEST").is_some() {
        wait_until(|| threads() == 0);
    }
}

/// Where nothing can be heard, waiters poll.
#[test]
fn in_a_world_without_notification_waiters_are_woken_all_the_same() {
    let world = crate::simulation::World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let other = world.process().open(OpenOptions::default()).unwrap();
    let mark = store.mark().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.wait(mark, LONG).unwrap());
        remember(&other, "k").unwrap();
        assert_eq!(waiter.join().unwrap().newest, Sequence(1));
    });
    let child = world.process();
    let holder = child.open(OpenOptions::default()).unwrap();
    let life = holder.live(&SessionId::new("s").unwrap()).unwrap();
    claim_living(&other, "s");
    let mark = store.mark().unwrap();
    assert_eq!(store.wait(mark, Duration::from_millis(50)).unwrap(), mark);
    drop(life);
    assert!(store.wait(mark, LONG).unwrap().deaths > mark.deaths);
}
