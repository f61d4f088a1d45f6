//! A server that is killed and restarted, and agents that are killed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use taskhost_board::{Cause, Change, Entry, Sequence, Status, Store as _, Task};
use taskhost_faults::work::{Order, Worker};
use taskhost_faults::{
    Bench, Hand, Ledger, Said, agent, claim, engine, open, options, soon, task_id,
};
use taskhost_test_postgres::{Options, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_faults");
const WORKERS: usize = 12;
const TASKS: usize = 1_500;

#[test]
fn what_a_killed_server_acknowledged_is_there_and_was_done_once() {
    let server = Server::start(Options::default()).unwrap();
    let bench = Bench::new(server.access(), TASKS).unwrap();
    let (said, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let say = |line: Said| said.lock().unwrap().push(line);
    let acknowledged = || {
        let said = said.lock().unwrap();
        said.iter().filter(|said| matches!(said, Said::Completed { .. })).count()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|n| {
                let order =
                    Order { name: format!("w{n}"), adds: false, lives: n % 2 == 0, again: None };
                // Some share a handle with nobody, others have few connections.
                let address = format!("{}&pool={}", bench.by(server.access()), 1 + n % 3);
                let store = open(&address).unwrap();
                let (say, is_over) = (&say, &is_over);
                scope.spawn(move || {
                    Worker::new(&store, order, say, is_over).unwrap().work().unwrap();
                })
            })
            .collect();
        for round in 1..=6 {
            // In the middle of their work.
            while acknowledged() < round * TASKS / 10 {
                thread::sleep(Duration::from_millis(2));
            }
            match round % 3 {
                0 => server.restart().unwrap(),
                1 => {
                    server.kill().unwrap();
                    server.start_again().unwrap();
                }
                _ => {
                    server.stop_fast().unwrap();
                    server.start_again().unwrap();
                }
            }
        }
        for worker in workers {
            worker.join().unwrap();
        }
    });
    let mut ledger = Ledger::default();
    for said in said.into_inner().unwrap() {
        ledger.said(said);
    }
    ledger.read(&bench.store).unwrap();
    assert_eq!(ledger.open(), 0);
    assert_eq!(ledger.finish(), Vec::<String>::new());
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}

/// Those of which somebody was found dead.
fn found_dead(bench: &Bench) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut take = |_: Sequence, entry: Entry| {
        for change in &entry.changes {
            if let Change::Recovered { id, cause: Cause::HolderDead, .. } = change {
                all.push((id.to_string(), entry.time.0));
            }
        }
        true
    };
    bench.store.history(Sequence(0), &mut take).unwrap();
    all
}

fn now(bench: &Bench) -> u64 {
    bench.store.snapshot().unwrap().1.wall.0
}

/// Looks for the dead until so much time has passed on the board's clock.
fn look_for(bench: &Bench, time: Duration) {
    let until = now(bench) + u64::try_from(time.as_millis()).unwrap();
    while now(bench) < until {
        bench.engine.upkeep(soon()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_lives_keeps_its_claims_over_a_restart_and_who_was_killed_loses_them_after_the_grace() {
    let server = Server::start(Options::default()).unwrap();
    let bench = Bench::new(server.access(), 2).unwrap();
    let address = bench.by(server.access());
    let [mut living, mut killed] = ["living", "killed"].map(|name| {
        let mut hand = Hand::start(PROGRAM, &address, name).unwrap();
        assert_eq!(hand.ask("live").unwrap(), "living");
        hand
    });
    let (kept, token) = living.claim("k-1", 600_000, "-").unwrap();
    let (lost, _) = killed.claim("k-2", 600_000, "-").unwrap();
    for fail in [
        |server: &Server| server.restart().unwrap(),
        |server: &Server| {
            server.kill().unwrap();
            server.start_again().unwrap();
        },
    ] {
        fail(&server);
        look_for(&bench, options().grace * 3);
        assert_eq!(found_dead(&bench), []);
    }
    // Killed while the server is down: nobody can be told of it.
    server.kill().unwrap();
    killed.kill().unwrap();
    server.start_again().unwrap();
    let up_at = now(&bench);
    let other = agent("other");
    let task: Task = loop {
        match claim(&bench.engine, &other, None).unwrap() {
            Some(task) => break task,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(task.id, task_id(&lost));
    let found = found_dead(&bench);
    assert_eq!(found.len(), 1);
    let grace = u64::try_from(options().grace.as_millis()).unwrap();
    assert!(found[0].1 >= up_at + grace, "{found:?} after {up_at}");
    look_for(&bench, options().grace * 2);
    assert_eq!(living.ask(&format!("complete {kept} {token}")).unwrap(), "completed");
    assert_eq!(bench.engine.task(&task_id(&kept)).unwrap().status, Status::Completed);
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_asked_while_the_server_is_down_is_answered_when_it_is_up() {
    let server = Server::start(Options::default()).unwrap();
    let bench = Bench::new(server.access(), 1).unwrap();
    let store = open(&bench.by(server.access())).unwrap();
    let engine = engine(&store);
    server.stop_fast().unwrap();
    let task = thread::scope(|scope| {
        let asking = scope.spawn(|| claim(&engine, &agent("ada"), Some("k")).unwrap().unwrap());
        server.start_again().unwrap();
        asking.join().unwrap()
    });
    assert_eq!(claim(&engine, &agent("ada"), Some("k")).unwrap().unwrap().claim, task.claim);
}
