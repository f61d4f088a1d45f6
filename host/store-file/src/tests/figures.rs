//! What processes measure about themselves.

use super::locks::{kill, soon, spawn};
use taskhost_board::{Figures, Measure, Tally};

use super::*;

fn count(figures: &Figures, what: Measure) -> u64 {
    figures.times[&what].count
}

#[test]
fn transactions_waits_holds_and_syncs_are_measured_for_all_handles_together() {
    let (directory, store) = fresh();
    let before = store.figures().unwrap();
    let other = open(&board(&directory));
    for n in 0..10 {
        remember(&store, &n.to_string()).unwrap();
        remember(&other, &n.to_string()).unwrap();
    }
    let held = store.begin(far()).unwrap();
    assert!(other.begin(soon(30)).is_err());
    drop(held);
    let measured = other.figures().unwrap();
    assert_eq!(measured, store.figures().unwrap());
    assert_eq!(measured.since, before.since);
    let grown = |what| measured.all.counts[&what] - before.all.counts[&what];
    assert_eq!(grown(Tally::Transactions), 22);
    assert_eq!((grown(Tally::Contended), grown(Tally::TimedOut)), (1, 1));
    let times = |what| count(&measured.all, what) - count(&before.all, what);
    assert_eq!((times(Measure::LockWait), times(Measure::LockHold)), (22, 21));
    assert_eq!(times(Measure::Sync), 20);
    let wait = &measured.all.times[&Measure::LockWait];
    assert!(wait.max >= 30_000 && wait.p50 <= wait.p99 && wait.p99 <= wait.max, "{wait:?}");
    // Both handles are of this process.
    let [me] = &measured.processes[..] else { panic!("{:?}", measured.processes) };
    assert_eq!((me.pid, me.alive), (std::process::id(), true));
    assert_eq!(me.figures.counts, measured.all.counts);
}

#[test]
fn each_process_has_figures_of_its_own_which_outlive_it() {
    let (directory, store) = fresh();
    let (child, _) = spawn("figures", &board(&directory));
    let find = || {
        let measured = store.figures().unwrap();
        assert_eq!(count(&measured.all, Measure::Recovery), 100);
        let find = |process: &taskhost_board::ProcessFigures| process.pid == child.id();
        measured.processes.into_iter().find(find).unwrap()
    };
    let living = find();
    assert!(living.alive);
    let times = &living.figures.times[&Measure::Recovery];
    assert_eq!((times.count, times.max, times.p50), (100, 2_000, 2_000));
    assert!((times.mean - 2_000.0).abs() < 1.0);
    let pid = child.id();
    kill(child);
    let measured = store.figures().unwrap();
    let dead = measured.processes.iter().find(|process| process.pid == pid).unwrap();
    assert!(!dead.alive && dead.figures == living.figures);
}

#[test]
fn nothing_is_lost_when_many_threads_record_at_once() {
    const THREADS: u64 = 8;
    const TIMES: u64 = 10_000;
    let (directory, store) = fresh();
    let handles = [store.clone(), open(&board(&directory))];
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let meter = handles[usize::try_from(thread % 2).unwrap()].meter();
            scope.spawn(move || {
                for n in 0..TIMES {
                    meter.record(Measure::Lifecycle, Duration::from_micros(n));
                    meter.count(Tally::Claims);
                }
            });
        }
    });
    let all = store.figures().unwrap().all;
    let times = &all.times[&Measure::Lifecycle];
    assert_eq!((times.count, all.counts[&Tally::Claims]), (THREADS * TIMES, THREADS * TIMES));
    assert_eq!(times.max, TIMES - 1);
    for (quantile, exact) in [(times.p50, 5_000.0), (times.p90, 9_000.0), (times.p99, 9_900.0)] {
        let error = quantile as f64 / exact - 1.0;
        assert!((-0.001..=0.065).contains(&error), "{quantile} for {exact}");
    }
}

#[test]
fn figures_that_were_deleted_damaged_or_copied_from_another_board_are_made_anew() {
    let (directory, store) = fresh();
    let path = board(&directory).join("index/stats");
    let whole = std::fs::read(&path).unwrap();
    let mut foreign = whole.clone();
    foreign[8] ^= 1;
    for content in [None, Some(b"short".to_vec()), Some(vec![0; whole.len()]), Some(foreign)] {
        std::fs::remove_file(&path).unwrap();
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        store.meter().count(Tally::Claims);
        assert_eq!(store.figures().unwrap().all.counts[&Tally::Claims], 0);
        store.meter().count(Tally::Claims);
        assert_eq!(open(&board(&directory)).figures().unwrap().all.counts[&Tally::Claims], 1);
    }
    assert_clean(&store);
}

/// Each command that an agent runs is a process of its own.
#[test]
fn more_processes_than_there_is_room_for_take_the_places_of_the_dead() {
    let (directory, store) = fresh();
    let path = board(&directory);
    for _ in 0..70 {
        kill(spawn("figures", &path).0);
    }
    let measured = store.figures().unwrap();
    assert_eq!(measured.processes.len(), 64);
    assert_eq!(count(&measured.all, Measure::Recovery), 7_000);
    let me = measured.processes.iter().find(|process| process.pid == std::process::id());
    assert!(me.unwrap().alive, "the living keep theirs");
}
