//! Keeping a claim while its command runs: heartbeats, three in the length of the lease.

use std::time::{Duration, Instant};

use taskhost::domain::Error as BoardError;
use taskhost::{Claim, Claimed, Error};

use super::Run;
use super::progress::Repeats;

/// After a heartbeat that didn't get through, the next comes no later than this.
const BEAT_AGAIN: Duration = Duration::from_secs(1);
/// How long a heartbeat waits for the board's lock: meanwhile the worker hears no signal.
const BEAT_WAITS: Duration = Duration::from_secs(1);

/// The lease of one claim.
pub struct Lease<'a> {
    run: &'a Run,
    claimed: &'a Claimed,
    interval: Duration,
    next_beat: Instant,
    missed: Option<Repeats>,
    hold: Hold,
}

/// Whether the claim still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    Held,
    /// It has ended, by its own holder.
    Settled,
    /// It is somebody else's, or nobody's.
    Lost(String),
}

impl<'a> Lease<'a> {
    /// The lease of a claim that was made just now.
    pub fn new(run: &'a Run, claimed: &'a Claimed, claim: &Claim) -> Self {
        let interval = Duration::from_millis((claim.lease_ms / 3).max(1));
        let next_beat = Instant::now() + interval;
        Self { run, claimed, interval, next_beat, missed: None, hold: Hold::Held }
    }

    /// How long until the next heartbeat, if that is less than `at_most`.
    pub fn wait(&self, at_most: Duration) -> Duration {
        match self.hold {
            Hold::Held => self.next_beat.saturating_duration_since(Instant::now()).min(at_most),
            Hold::Settled | Hold::Lost(_) => at_most,
        }
    }

    /// How the claim stood when it was last heard of.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Extends the lease if it is time; says how the claim stands.
    pub fn tend(&mut self) -> &Hold {
        if self.hold == Hold::Held && Instant::now() >= self.next_beat {
            self.beat();
        }
        &self.hold
    }

    fn beat(&mut self) {
        let deadline = Instant::now() + BEAT_WAITS;
        match self.claimed.heartbeat_by(deadline) {
            Ok(_) => {
                self.missed = None;
                self.next_beat = Instant::now() + self.interval;
            }
            Err(Error::Board(BoardError::Transition { .. })) => self.hold = Hold::Settled,
            Err(Error::Board(error)) if is_lost(&error) => {
                self.hold = Hold::Lost(error.to_string());
            }
            // It didn't get through; that may change.
            Err(error) => {
                if self.missed.get_or_insert_default().is_due() {
                    let id = self.claimed.id();
                    self.run
                        .progress
                        .say(&format!("a heartbeat for `{id}` didn't get through: {error}"));
                }
                self.next_beat = Instant::now() + self.interval.min(BEAT_AGAIN);
            }
        }
    }
}

/// Whether the error says that the task is somebody else's, or nobody's, by now.
pub fn is_lost(error: &BoardError) -> bool {
    matches!(error, BoardError::Stale { .. } | BoardError::Held { .. } | BoardError::NoSuchTask(_))
}
