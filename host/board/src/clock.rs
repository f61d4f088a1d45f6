//! Time: the wall clock that people read, and the boot clock that leases are measured by.
//!
//! What a jump of the wall clock does, and what it doesn't:
//!
//! - Leases of this boot run by the boot clock, which counts suspended time and is the same for all processes of a
//!   machine: no jump ends one, and none makes one longer.
//! - A lease of an earlier boot is compared with the wall clock, which is all that both boots have. If that was set back
//!   in between, the lease ends late, by as much; if it was set forwards, early, which nobody can tell from time that
//!   has passed. Early does no harm but work done twice, since tokens keep a late holder from changing anything; late,
//!   an operator can release the task. Holders that are proved dead don't wait for either: nobody outlives their boot.
//! - `until` and `not_before` are times that people named, so they go by the wall clock, as it stands: set forwards, a
//!   task is asked about early, and set back, late. An answer that was given isn't taken back.
//! - Keys and the history are kept for so long by the wall clock. A jump forwards by more than that forgets them.
//! - Tasks are ordered by the order in which they were created, not by `created_at`, so a jump reorders nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// What this machine's wall clock says. A board may go by another one: see [`Store::wall`](crate::Store::wall).
    pub fn of_this_machine() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier` it is; nothing if it isn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time and `ms` milliseconds.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Names one boot of one kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// One moment on both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// The wall clock, which may jump.
    pub wall: Millis,
    /// Which boot `boot_ms` counts from.
    pub boot: BootId,
    /// Milliseconds since that boot, suspended time included; never jumps.
    pub boot_ms: u64,
}

/// Until when a claim holds. The boot clock decides while the boot is the same, so that a jump of the wall
/// clock ends no lease; after a reboot the wall clock is all there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The end by the wall clock.
    pub until: Millis,
    /// The boot in which it was granted.
    pub boot: BootId,
    /// The end by that boot's clock, in milliseconds.
    pub boot_ms: u64,
}

impl Lease {
    /// The lease of `ms` milliseconds from `now`.
    pub fn starting(now: &Instant, ms: u64) -> Self {
        Self {
            until: now.wall.plus(ms),
            boot: now.boot.clone(),
            boot_ms: now.boot_ms.saturating_add(ms),
        }
    }

    /// Whether it has run out.
    pub fn is_over(&self, now: &Instant) -> bool {
        if self.boot == now.boot { now.boot_ms >= self.boot_ms } else { now.wall >= self.until }
    }

    /// When it ends by the wall clock as it stands now: what to tell people.
    pub fn ends(&self, now: &Instant) -> Millis {
        if self.boot == now.boot {
            let left = self.boot_ms.saturating_sub(now.boot_ms);
            let late = now.boot_ms.saturating_sub(self.boot_ms);
            Millis(now.wall.0.saturating_add(left).saturating_sub(late))
        } else {
            self.until
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64, boot: &str, boot_ms: u64) -> Instant {
        Instant { wall: Millis(wall), boot: BootId(boot.into()), boot_ms }
    }

    #[test]
    fn jump_of_the_wall_clock_ends_no_lease() {
        let lease = Lease::starting(&at(1_000, "a", 50), 100);
        assert!(!lease.is_over(&at(9_000_000, "a", 149)));
        assert!(lease.is_over(&at(0, "a", 150)));
    }

    /// A lease without end, whose end saturates, made the sum overflow.
    #[test]
    fn the_end_of_the_longest_lease_can_be_told() {
        let now = at(1_000, "a", 50);
        let lease = Lease::starting(&now, u64::MAX);
        assert!(!lease.is_over(&at(u64::MAX, "a", u64::MAX - 1)));
        assert_eq!(lease.ends(&now), Millis(u64::MAX));
        assert_eq!(lease.ends(&at(u64::MAX, "a", 50)), Millis(u64::MAX));
        assert_eq!(Lease::starting(&now, 100).ends(&at(70, "a", 250)), Millis(0));
        assert_eq!(Lease::starting(&now, 100).ends(&at(5_000, "a", 250)), Millis(4_900));
    }

    #[test]
    fn after_a_reboot_the_wall_clock_decides() {
        let lease = Lease::starting(&at(1_000, "a", 50), 100);
        assert!(!lease.is_over(&at(1_099, "b", 900)));
        assert!(lease.is_over(&at(1_100, "b", 0)));
    }
}
