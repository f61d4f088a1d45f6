//! What processes measure about themselves.

use std::sync::Arc;
use std::time::Duration;

use taskhost_board::{
    BoardSettings, BootId, Digest, InitPlan, Keeper as _, Measure, PolicyPin, PolicySet, Process,
    Store as _, Tally,
};

use super::server::Server;
use super::{connect, one, soon};
use crate::figures::ROWS;
use crate::{Address, OpenOptions, PostgresStore};

fn process(pid: u32) -> Process {
    Process { pid, started: 1, boot: BootId("b".into()), namespace: 1 }
}

/// The options of a handle of this process, on a machine on which the process 2 is dead.
fn of(pid: u32) -> OpenOptions {
    OpenOptions {
        this_process: Arc::new(move || Some(process(pid))),
        is_process_dead: Arc::new(|process| process.pid == 2),
        ..OpenOptions::default()
    }
}

fn init(address: &Address, options: &OpenOptions) -> PostgresStore {
    let standard = PolicyPin { digest: Digest::of(b"plain"), settings: Default::default() };
    let policies = PolicySet { custom: None, standard };
    let plan =
        InitPlan { policies, components: Default::default(), settings: BoardSettings::default() };
    PostgresStore::init(address, &plan, options).unwrap()
}

fn open(address: &Address, pid: u32) -> PostgresStore {
    PostgresStore::open(address, &of(pid)).unwrap()
}

fn claims(store: &PostgresStore) -> u64 {
    store.figures().unwrap().all.counts[&Tally::Claims]
}

#[test]
fn transactions_of_all_handles_are_measured_together_and_of_each_process() {
    let server = Server::start();
    let address = server.address("main");
    let (one, same) = (init(&address, &of(1)), open(&address, 1));
    let since = one.figures().unwrap().since;
    let (dead, ended) = (open(&address, 2), open(&address, 3));
    for store in [&one, &same, &dead, &ended] {
        store.begin(soon()).unwrap().finish().unwrap();
    }
    ended.meter().record(Measure::Recovery, Duration::from_millis(2));
    ended.meter().memory(Measure::Recovery, 7);
    // A process that ends without dropping anything says so; one that is killed leaves what it wrote last.
    ended.leave_figures();
    dead.figures().unwrap();
    same.figures().unwrap();
    let measured = one.figures().unwrap();
    assert_eq!((measured.since, measured.all.counts[&Tally::Transactions]), (since, 4));
    let times = |what| &measured.all.times[&what];
    assert_eq!((times(Measure::LockWait).count, times(Measure::LockHold).count), (4, 4));
    assert_eq!(times(Measure::Recovery).max, 2_000);
    assert_eq!(measured.all.memory[&Measure::Recovery], 7);
    let told = measured
        .processes
        .iter()
        .map(|process| (process.pid, process.alive, process.figures.counts[&Tally::Transactions]));
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    assert_eq!(told, [(1, true, 2), (2, false, 1), (3, false, 1)]);
    assert!(measured.processes.iter().all(|process| process.since >= measured.since));
}

#[test]
fn what_is_lost_to_others_and_waited_for_in_vain_is_counted() {
    let server = Server::start();
    let address = server.address("main");
    let (store, other) = (init(&address, &of(1)), open(&address, 3));
    let held = other.hold_board(None, soon()).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_millis(30);
    assert!(store.begin(deadline).is_err());
    drop(held);
    let counts = store.figures().unwrap().all.counts;
    assert_eq!((counts[&Tally::Contended], counts[&Tally::TimedOut]), (1, 1));
    assert_eq!(counts[&Tally::Transactions], 1);
}

/// Each command that an agent runs is a process of its own.
#[test]
fn very_many_rows_are_put_together_and_nothing_is_lost_or_counted_twice() {
    let server = Server::start();
    let address = server.address("main");
    let store = init(&address, &of(1));
    let mut link = connect(&address);
    store.meter().count(Tally::Claims);
    assert_eq!(claims(&store), 1);
    let (mut expected, mut most) = (1, 0);
    for pid in 10..10 + u32::try_from(ROWS.0).unwrap() * 2 {
        let short = open(&address, pid);
        short.meter().count(Tally::Claims);
        drop(short);
        expected += 1;
        if pid % 32 == 0 {
            // Its own row is the oldest, and goes on nevertheless.
            store.meter().count(Tally::Claims);
            expected += 1;
            assert_eq!(claims(&store), expected);
        }
        most = most.max(one::<i64>(&mut link, "SELECT count(*) FROM taskhost_main.figures"));
    }
    assert_eq!(claims(&open(&address, 1)), expected);
    assert_eq!(usize::try_from(most).unwrap(), ROWS.0);
    let processes = store.figures().unwrap().processes;
    assert!((ROWS.1..ROWS.0).contains(&processes.len()), "{}", processes.len());
}

#[test]
fn threads_that_write_and_rows_that_go_meanwhile_lose_nothing() {
    const THREADS: u64 = 4;
    const TIMES: u64 = 50;
    let server = Server::start();
    let address = server.address("main");
    let store = init(&address, &of(1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut last = 0;
                for _ in 0..TIMES {
                    store.meter().count(Tally::Claims);
                    let now = claims(&store);
                    assert!(now > last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for pid in 10..10 + u32::try_from(ROWS.0).unwrap() {
            let short = open(&address, pid);
            short.meter().count(Tally::Nothing);
        }
    });
    let counts = store.figures().unwrap().all.counts;
    assert_eq!(counts[&Tally::Claims], THREADS * TIMES);
    assert_eq!(counts[&Tally::Nothing], ROWS.0 as u64);
}
