//! What the policy can do wrong, whichever hook it is in.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use taskhost_sdk::files::{self, Place};
use taskhost_sdk::{Filter, Order, Reservation, Status, Transaction, View, clock, locks, log};

/// What a hook has. `readiness` has no transaction.
pub struct Given<'a> {
    pub view: &'a View,
    pub tx: Option<&'a Transaction>,
    pub target: &'a str,
}

/// What the hook is to answer. Each hook says it in its own way, or `standard` if it has no such answer.
pub enum Answer {
    Standard,
    /// A refusal, with what the test wants to read.
    Refused(String),
    /// Something was staged: a lie.
    Staged,
    Ready,
    Cancel,
    /// Keep the claim until this time.
    Keep(u64),
}

/// Misbehaves as `mode` says, and panics if there is no such mode.
pub fn commit(mode: &str, given: &Given<'_>) -> Answer {
    match mode {
        "none" => Answer::Standard,
        "loop" => endless_loop(),
        "memory" => all_memory(),
        "hoard" => hoard(),
        "recursion" => Answer::Refused(unbounded_recursion(0).to_string()),
        "deep-calls" => Answer::Refused(unbounded_calls().to_string()),
        "huge-log" => huge_log(),
        "huge-remember" => huge_remember(given),
        "huge-refusal" => Answer::Refused(huge_text()),
        "claim-claimed" => claim_target(given),
        "million-steps" => million_steps(given),
        "wait-lock" => wait_for_lock(given),
        "many-locks" => many_locks(),
        "many-cursors" => many_cursors(given),
        "many-tasks" => many_tasks(given),
        "panic" => panic!("the policy panics because it was told to"),
        "refuse" => Answer::Refused("refused because it was told to".to_owned()),
        "set-finished" => set_finished(given),
        "stage-then-panic" => stage_then_panic(given),
        "read-env-files" => forbidden_files(),
        "lie" => Answer::Staged,
        "ready-all" => Answer::Ready,
        "cancel-all" => Answer::Cancel,
        "keep-forever" => Answer::Keep(u64::MAX),
        "globals" => count_calls(),
        "unprepared" => panic_in_fresh_instance(),
        "fickle" => claim_by_globals(given),
        "log" => log_a_line(),
        "steer" => steer(),
        unknown => panic!("there is no mode `{unknown}`"),
    }
}

/// Ended only by the deadline.
fn endless_loop() -> ! {
    loop {
        black_box(());
    }
}

/// Ended only by the limit on memory.
fn all_memory() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Keeps some of its memory for ever, as garbage is kept that nobody collects.
fn hoard() -> Answer {
    black_box(vec![1_u8; 1 << 20].leak());
    Answer::Standard
}

/// Fills the stack that the policy keeps in its own memory. The frame is used after the call, so the call
/// can't become a jump.
#[expect(unconditional_recursion, reason = "that is what the host must survive")]
fn unbounded_recursion(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    unbounded_recursion(depth + 1) + frame[(depth % 16) as usize]
}

/// Fills the stack of the machine that runs it: nothing of it is in the policy's memory. The host is asked
/// after the call, so the call can't become a jump here either.
#[expect(unconditional_recursion, reason = "that is what the host must survive")]
fn unbounded_calls() -> u64 {
    unbounded_calls() ^ clock::now()
}

/// More than may cross the boundary, yet less than the memory that the policy may have.
fn huge_text() -> String {
    "x".repeat(32 << 20)
}

fn huge_log() -> Answer {
    log::write(&huge_text());
    Answer::Standard
}

fn huge_remember(given: &Given<'_>) -> Answer {
    let Some(tx) = given.tx else { return Answer::Standard };
    Answer::Refused(format!("{:?}", tx.remember("huge", Some(huge_text().as_bytes()))))
}

fn claim_target(given: &Given<'_>) -> Answer {
    let Some(tx) = given.tx else { return Answer::Standard };
    match tx.claim(given.target, None) {
        Ok(()) => Answer::Staged,
        Err(error) => Answer::Refused(format!("{error:?}")),
    }
}

/// Says at which step it was stopped.
fn million_steps(given: &Given<'_>) -> Answer {
    let Some(tx) = given.tx else { return Answer::Standard };
    for step in 0..1_000_000 {
        if let Err(error) = tx.remember(&format!("key-{step}"), Some(b"value")) {
            return Answer::Refused(format!("step {step}: {error:?}"));
        }
    }
    Answer::Refused("a million steps were staged".to_owned())
}

/// Never gets to wait the hour, wherever the lock is held by another.
fn wait_for_lock(given: &Given<'_>) -> Answer {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    match locks::acquire(given.target, HOUR_MS) {
        Ok(_guard) => Answer::Refused("got the lock".to_owned()),
        Err(error) => Answer::Refused(format!("{error:?}")),
    }
}

/// Holds each lock while it takes the next.
fn many_locks() -> Answer {
    let mut guards = Vec::new();
    loop {
        match locks::acquire(&format!("lock-{}", guards.len()), 0) {
            Ok(guard) => guards.push(guard),
            Err(error) => {
                return Answer::Refused(format!("after {} locks: {error:?}", guards.len()));
            }
        }
    }
}

/// Ended only by the limit on open handles.
fn many_cursors(given: &Given<'_>) -> ! {
    let all = Filter { task_types: vec![], labels: vec![], capabilities: vec![], only: None };
    let mut open = Vec::new();
    loop {
        open.push(given.view.candidates(&all, Reservation::Nobody, Order::Oldest));
    }
}

/// Ended only by the limit on open handles.
fn many_tasks(given: &Given<'_>) -> ! {
    let mut open = Vec::new();
    loop {
        open.push(given.view.get(given.target));
    }
}

fn set_finished(given: &Given<'_>) -> Answer {
    let Some(tx) = given.tx else { return Answer::Standard };
    Answer::Refused(format!("{:?}", tx.set_status(given.target, Status::Blocked, "hostile")))
}

/// What it remembered must be forgotten with it.
fn stage_then_panic(given: &Given<'_>) -> Answer {
    if let Some(tx) = given.tx {
        tx.remember("staged-by-hostile", Some(b"value")).expect("a small step is allowed");
    }
    panic!("the policy panics after staging")
}

/// Tries to get out of its directory. `link` is for the test to make: a symbolic link in the directory.
fn forbidden_files() -> Answer {
    const NAMES: [&str; 10] = [
        "../board.json",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "nul\0byte",
        "link",
        ".hidden",
    ];
    let mut said = String::new();
    for name in NAMES {
        for place in [Place::Board, Place::Shared] {
            let read = files::read(place, name).map(|content| content.len());
            let replaced = files::replace(place, name, b"hostile", None);
            said.push_str(&format!("{place:?} {name:?}: {read:?} {replaced:?}\n"));
        }
    }
    Answer::Refused(said)
}

/// Says more than 1 in an instance that had a call before.
fn count_calls() -> Answer {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    Answer::Refused(format!("call {}", CALLS.fetch_add(1, Ordering::Relaxed) + 1))
}

/// Whether this instance has heard of anything.
pub static HEARD: AtomicBool = AtomicBool::new(false);

/// Fails in an instance that wasn't used before.
fn panic_in_fresh_instance() -> Answer {
    assert!(HEARD.load(Ordering::Relaxed), "this instance has never heard of a task");
    Answer::Standard
}

/// Gives the oldest task in a fresh instance, and the newest in one that had a call before.
fn claim_by_globals(given: &Given<'_>) -> Answer {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let Some(tx) = given.tx else { return Answer::Standard };
    let is_first = CALLS.fetch_add(1, Ordering::Relaxed) == 0;
    let order = if is_first { Order::Oldest } else { Order::Newest };
    let everything =
        Filter { task_types: vec![], labels: vec![], capabilities: vec![], only: None };
    let ready = given.view.candidates(&everything, Reservation::Nobody, order).next(1);
    match ready.first().map(|task| tx.claim(&task.id, None)) {
        Some(Ok(())) => Answer::Staged,
        _ => Answer::Standard,
    }
}

fn log_a_line() -> Answer {
    log::write(&format!("hostile was here at {}", clock::now()));
    Answer::Standard
}

/// Tries to write to the terminal of whoever reads what it says: to clear it, to name it, to begin a line of its own.
fn steer() -> Answer {
    const SEQUENCE: &str =
        "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}steered\u{2028}\nowned: a line";
    for _ in 0..1_000 {
        log::write(SEQUENCE);
    }
    Answer::Refused(SEQUENCE.to_owned())
}
