//! Tidying up where everybody looks first.
//!
//! A claim takes a row out of `ready`, at the front of the index by which the next claim begins. Until a vacuum has been
//! there, every claim passes over all that were taken before it: after 150,000 of them they took twice as long. The server's
//! own vacuum comes once a minute at most (`autovacuum_naptime`), and on a busy board that is too seldom. So those who claim
//! see to it as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant as Deadline};

use crate::fault::LinkError;
use crate::link::PATIENCE;
use crate::shared::Shared;

/// After how many rows, of all processes together: some 80 pages of the index. It takes a quarter of a second for each
/// million rows that are left.
const ROWS: u64 = 25_000;
/// How long it may take.
const AT_MOST: Duration = Duration::from_secs(120);

/// Whoever is at it already isn't disturbed; where this user may not, the server says so and nothing happens.
const VACUUM: &str = "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) ready";

/// A handle's part in it.
pub(crate) struct Vacuum {
    /// After how many rows; fewer where a test can't wait for as many.
    pub(crate) rows: AtomicU64,
    /// Whether a thread of this handle is at it.
    is_at_work: AtomicBool,
}

impl Default for Vacuum {
    fn default() -> Self {
        Self { rows: AtomicU64::new(ROWS), is_at_work: AtomicBool::new(false) }
    }
}

/// Sees to it after so many rows were taken out, beside the work.
pub(crate) fn after(shared: &Arc<Shared>, rows: usize) {
    // By chance: many processes that take a few each do it as often, together, as one that takes many.
    let is_due = rows > 0 && crate::random() % shared.vacuum.rows.load(SeqCst) < rows as u64;
    if !is_due || shared.vacuum.is_at_work.swap(true, SeqCst) {
        return;
    }
    let at_work = shared.clone();
    let started = thread::Builder::new().name("taskhost-vacuum".into()).spawn(move || {
        // What isn't done now is done by the server in a while.
        let _ = vacuum(&at_work);
        at_work.vacuum.is_at_work.store(false, SeqCst);
    });
    if started.is_err() {
        shared.vacuum.is_at_work.store(false, SeqCst);
    }
}

fn vacuum(shared: &Shared) -> Result<(), LinkError> {
    let mut link = shared.link_aside(Deadline::now() + PATIENCE)?;
    link.set_patience(AT_MOST);
    link.batch(VACUUM)?;
    link.set_patience(PATIENCE);
    shared.put_aside(link);
    Ok(())
}
