//! Bugs by their names, so that a worker process can be told to have one.

use anyhow::{Context as _, Result};
use taskhost_board::PlantedBug as InBoard;
use taskhost_simulated::Bug;
use taskhost_store_file::PlantedBug as InStore;

const ALL: [Bug; 10] = [
    Bug::Board(InBoard::TokenNotCompared),
    Bug::Store(InStore::SyncLeftOut),
    Bug::Store(InStore::AnsweredBeforeSync),
    Bug::Store(InStore::SyncCoversLater),
    Bug::Store(InStore::DirectorySyncLeftOut),
    Bug::Store(InStore::DurableThroughIgnored),
    Bug::Store(InStore::PoisonIgnored),
    Bug::Store(InStore::BootIgnored),
    Bug::Store(InStore::GenerationNotRechecked),
    Bug::Store(InStore::LockFileUnlinked),
];

/// What a bug is called.
pub(crate) fn name(bug: Bug) -> String {
    match bug {
        Bug::Board(bug) => format!("{bug:?}"),
        Bug::Store(bug) => format!("{bug:?}"),
    }
}

/// The bug that is called so.
pub(crate) fn named(text: &str) -> Result<Bug> {
    let found = ALL.into_iter().find(|bug| name(*bug) == text);
    found.with_context(|| format!("there is no bug `{text}`"))
}
