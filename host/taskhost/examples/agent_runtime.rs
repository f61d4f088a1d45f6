//! An agent runtime: threads that work off a board, to be copied.
//!
//! ```console
//! $ cargo run -p taskhost --example agent_runtime -- .taskhost ada 4
//! ```
//!
//! - Each thread is a session of its own: what this process holds comes back at once if it dies.
//! - Each claim has a [`Keeper`], which extends the lease and tells the work to stop once the claim is somebody else's
//!   or the task isn't wanted any more.
//! - Ctrl-C and SIGTERM stop the work, hand back what is held and end; the second one ends at once.
//! - [`persist`] repeats what may get through later. Claims have request keys, and ends of claims are told by their
//!   token, so repeating does nothing twice, also where the outcome was unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use taskhost::{
    Board, ClaimOptions, ClaimOutcome, Claimed, Error, Json, NothingWhy, ProblemKind, Session, Task,
};

/// How long a thread waits for work before it looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_secs(1);
/// How long a request is repeated that doesn't get through.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to breathe before a request is repeated.
const BREATH: Duration = Duration::from_millis(200);

/// Why work ended without a result.
enum Ended {
    /// It can't be done.
    Failed(String),
    /// It was told to stop.
    Stopped,
}

/// The work itself; this is what you replace. It looks at `is_over` every now and then, and stops if it says so.
fn work(task: &Task, is_over: &dyn Fn() -> bool) -> Result<Json, Ended> {
    let data: Value = serde_json::from_str(task.data.as_str()).unwrap_or_default();
    let steps = data["steps"].as_u64().unwrap_or(1);
    for _ in 0..steps {
        if is_over() {
            return Err(Ended::Stopped);
        }
        thread::sleep(Duration::from_millis(10));
    }
    if data["fails"] == true {
        return Err(Ended::Failed("it was to fail".into()));
    }
    Json::parse(&json!({ "steps": steps }).to_string()).map_err(|e| Ended::Failed(e.to_string()))
}

/// Claims and works until nothing is open on the board, or it is to stop.
fn worker(board: &Board, name: &str, stop: &AtomicBool) -> Result<(), Error> {
    let session = board.agent(name)?;
    let mut requests = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        requests += 1;
        let key = Some(format!("{}-{requests}", session.agent().session));
        let options = ClaimOptions { key, wait: LOOK_UP, ..ClaimOptions::default() };
        match persist(|| session.claim_with(&options)) {
            Ok(ClaimOutcome::Claimed { task, .. }) => attend(&session, *task, stop)?,
            Ok(ClaimOutcome::Nothing { why: NothingWhy::Empty, .. }) => break,
            // Tasks are open, and none is ready for this agent yet.
            Ok(ClaimOutcome::Nothing { .. }) => {}
            // The request had got through, and what it claimed was lost before its answer came.
            Err(error) if is_lost(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Does one task, and says how it ended.
fn attend(session: &Session, task: Task, stop: &AtomicBool) -> Result<(), Error> {
    let claim = session.claimed(task);
    let keeper = Keeper::of(session.board(), &claim);
    let is_over = || stop.load(Ordering::Relaxed) || keeper.is_lost.load(Ordering::Relaxed);
    let told = match work(claim.task(), &is_over) {
        Ok(result) => persist(|| claim.complete(Some(result.clone()))),
        Err(Ended::Failed(error)) => persist(|| claim.fail(&error)),
        Err(Ended::Stopped) => persist(|| claim.release(Some("its runtime stopped".into()))),
    };
    drop(keeper);
    match told {
        Ok(status) => println!("{}: `{}` is {status}", session.agent().name, claim.id()),
        // Nothing that was done since is on the board: whoever has the task now does it again.
        Err(error) if is_lost(&error) => {
            println!("{}: `{}` was lost: {error}", session.agent().name, claim.id());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Repeats a request for as long as it may get through later. Not if the task is somebody else's: that is an answer.
fn persist<T>(mut request: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        let error = match request() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !error.problem().retryable || is_lost(&error) || began.elapsed() > PATIENCE {
            return Err(error);
        }
        thread::sleep(BREATH);
    }
}

/// Whether the error says that this agent doesn't hold the task any more.
fn is_lost(error: &Error) -> bool {
    use ProblemKind::{Invalid, Missing, Taken};
    matches!(error.problem().kind, Taken | Missing | Invalid)
}

/// Keeps a claim until it is dropped: heartbeats, three in a lease, and a look whenever something has changed.
struct Keeper {
    is_lost: Arc<AtomicBool>,
    is_done: Arc<AtomicBool>,
}

impl Keeper {
    fn of(board: &Board, claim: &Claimed) -> Self {
        let keeper = Self { is_lost: Arc::default(), is_done: Arc::default() };
        let (is_lost, is_done) = (keeper.is_lost.clone(), keeper.is_done.clone());
        let (board, claim) = (board.clone(), claim.clone());
        thread::spawn(move || {
            if !keep(&board, &claim, &is_done) {
                is_lost.store(true, Ordering::Relaxed);
            }
        });
        keeper
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
    }
}

/// Keeps the claim until that isn't needed any more; `false` if it was lost.
fn keep(board: &Board, claim: &Claimed, is_done: &AtomicBool) -> bool {
    let held = claim.task().claim.as_ref();
    let lease = held.map_or(Duration::ZERO, |held| Duration::from_millis(held.lease_ms));
    let mut next_beat = Instant::now() + lease / 3;
    let mut seen = board.mark().unwrap_or_default();
    while !is_done.load(Ordering::Relaxed) {
        if Instant::now() >= next_beat {
            match claim.heartbeat() {
                Ok(_) => next_beat = Instant::now() + lease / 3,
                Err(error) if is_lost(&error) => return false,
                // It didn't get through; there is time for another one before the lease is over.
                Err(_) => next_beat = Instant::now() + lease / 12,
            }
        }
        let is_ours =
            |task: Task| task.claim.is_some_and(|now| Some(now.token) == claim.proof().token);
        // Looked at after the mark was taken, so that nothing is slept through.
        match board.task(claim.id()).map(is_ours) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) if is_lost(&error) => return false,
            Err(_) => thread::sleep(BREATH),
        }
        let left = next_beat.saturating_duration_since(Instant::now()).min(LOOK_UP);
        seen = board.wait(seen, left).unwrap_or(seen);
    }
    true
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, name, threads] = &arguments[..] else {
        return Err("usage: agent_runtime BOARD NAME THREADS".into());
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag set.
        flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        flag::register(signal, stop.clone())?;
    }
    let (board, threads) = (Board::open(path)?, threads.parse::<usize>()?);
    thread::scope(|scope| {
        let start = |n| {
            let (board, stop) = (&board, &*stop);
            scope.spawn(move || worker(board, &format!("{name}-{n}"), stop))
        };
        let workers: Vec<_> = (1..=threads).map(start).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err("a worker panicked".into()),
        })
    })
}
