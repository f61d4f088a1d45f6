//! Fewer connections than there are who want one.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::{BeginError, ClaimRequest, Error, Filter, Finish};
use taskhost_faults::{Bench, agent, claim, engine, open, proof, soon};
use taskhost_test_postgres::{Options, Server, shared};

const THREADS: usize = 16;
const TASKS: usize = 64;

/// So many threads with one handle at this address do all there is to do.
fn all_is_done(address: &str) {
    let store = open(address).unwrap();
    let engine = engine(&store);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let engine = engine.clone();
            scope.spawn(move || {
                let agent = agent(&format!("a-{n}"));
                while let Some(task) = claim(&engine, &agent, None).unwrap() {
                    let how = Finish::Complete(None);
                    engine.finish(&task.id, &proof(&task).unwrap(), &how, soon()).unwrap();
                }
            });
        }
    });
}

#[test]
fn many_threads_share_one_or_two_connections() {
    for pool in [1, 2] {
        let bench = Bench::new(shared(), TASKS).unwrap();
        all_is_done(&format!("{}&pool={pool}", bench.by(shared())));
        assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn whoever_waits_for_a_connection_waits_until_their_deadline_and_is_told() {
    let bench = Bench::new(shared(), 2).unwrap();
    let store = open(&format!("{}&pool=1", bench.by(shared()))).unwrap();
    let engine = engine(&store);
    // A view has the only connection for as long as somebody else looks at it.
    let view = thread::scope(|scope| {
        let looking = scope.spawn(|| taskhost_board::Store::snapshot(&store).unwrap().0);
        looking.join().unwrap()
    });
    let request = ClaimRequest {
        agent: agent("ada"),
        filter: Filter::default(),
        lease_ms: None,
        key: Some("k".into()),
    };
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = engine.claim(&request, deadline).unwrap_err();
    assert!(Instant::now() >= deadline);
    assert!(matches!(error, Error::Begin(BeginError::Timeout { .. })), "{error}");
    assert!(error.to_string().contains("say `pool=2` in the board's address"), "{error}");
    drop(view);
    assert!(claim(&engine, &agent("ada"), Some("k")).unwrap().is_some());
}

#[test]
fn a_server_without_a_connection_to_spare_says_so_and_serves_later() {
    // A handle whose pool was larger than what the server had left waited for the server alone, and failed at its deadline
    // though its own connections were idle again long before.
    let server = Server::start(Options::default().connections_max(12)).unwrap();
    let bench = Bench::new(server.access(), TASKS).unwrap();
    let address = format!("{}&pool={THREADS}", bench.by(server.access()));
    // Those who come later find none, until somebody goes.
    let (full, gone) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut guests = Vec::new();
            while let Ok(guest) = open(&bench.by(server.access())) {
                guests.push(guest);
            }
            full.wait();
            while !gone.load(SeqCst) {
                thread::yield_now();
            }
        });
        full.wait();
        let error = format!("{:#}", open(&address).err().unwrap());
        assert!(error.contains("it has as many clients as it takes"), "{error}");
        gone.store(true, SeqCst);
    });
    all_is_done(&address);
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}
