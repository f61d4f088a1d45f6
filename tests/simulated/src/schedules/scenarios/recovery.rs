//! What a crash or a fault has left, mended by several at once; and faults among those who go on.

use std::sync::Arc;

use taskhost_board::{Engine, Error};
use taskhost_store_file::simulation::{Counted, Fault};

use super::{Case, add_all};

const JOURNAL: &str = "journal-1.jsonl";

fn three_open_and_work(case: &Arc<Case>) {
    for who in ["x", "y", "z"] {
        case.process(move |worker| {
            if who == "z" {
                worker.compact();
            }
            worker.read();
            worker.add(who, &[]);
            if let Some((task, token)) = worker.claim(who) {
                worker.complete(who, &task, token);
            }
        });
    }
    case.join();
}

fn three_tasks(engine: &Engine) -> Result<(), Error> {
    ["a", "b", "c"].iter().try_for_each(|task| add_all(engine, &[task]))
}

/// A writer died in the middle of its line.
pub(super) fn torn(case: &Arc<Case>) {
    case.prepare(three_tasks);
    let mut journal = case.world.files().remove(JOURNAL).unwrap_or_default();
    journal.extend_from_slice(b"{\"sequence\":4,\"generation\":1,\"pre");
    case.world.tamper(JOURNAL, Some(journal));
    three_open_and_work(case);
}

/// A sync failed, and its process died without having gone on.
pub(super) fn poisoned(case: &Arc<Case>) {
    case.prepare(three_tasks);
    // The append, the index and the words come before the sync.
    case.unlucky(3, Fault::LostSync, |engine| add_all(engine, &["unknown"]));
    three_open_and_work(case);
}

/// Somebody removed the index.
pub(super) fn unindexed(case: &Arc<Case>) {
    case.prepare(three_tasks);
    case.world.lose_index();
    three_open_and_work(case);
}

/// Somebody removes the index while others write.
pub(super) fn index_lost(case: &Arc<Case>) {
    case.prepare(three_tasks);
    case.process(|worker| {
        worker.case.turns.step();
        worker.case.world.lose_index();
        worker.add("d", &[]);
    });
    for who in ["x", "y"] {
        case.process(move |worker| {
            for _ in 0..2 {
                if let Some((task, token)) = worker.claim(who) {
                    worker.complete(who, &task, token);
                }
            }
        });
    }
    case.join();
}

/// A sync fails in one process while others append; another one comes late, and never hears of it.
pub(super) fn sync_fails(case: &Arc<Case>) {
    case.expect_failures();
    case.prepare(three_tasks);
    case.process(|worker| {
        // The append, the index and the words come before the sync.
        worker.process.plan(Counted::Changes, 3, Fault::LostSync);
        worker.add("d", &[]);
    });
    case.process(|worker| {
        worker.add("e", &[]);
        worker.add("f", &[]);
    });
    case.process(|worker| {
        worker.add("g", &[]);
        worker.read();
    });
    case.join();
}

/// Whatever a reader sees outlives a power failure.
pub(super) fn reader(case: &Arc<Case>) {
    case.prepare(three_tasks);
    for who in ["x", "y"] {
        case.process(move |worker| {
            worker.add(who, &[]);
            worker.claim(who);
        });
    }
    case.process(|worker| {
        for _ in 0..3 {
            worker.read();
        }
    });
    case.join();
}
