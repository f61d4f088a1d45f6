//! The limits that a policy's own settings give it, within what its board allows.
//!
//! Every policy takes the settings `host.deadline`, `host.memory` and `host.steps` beside those that it declares; none
//! can declare one that begins like them. What holds is the smaller of such a limit and the board's. One that is
//! larger than the board's is refused when it is set; if the board's is made smaller later, that one holds.

use std::time::Duration;

use taskhost_board::quantity::{bytes, show_bytes};
use taskhost_board::{PolicyLimits, PolicyPin};

use crate::limits::HookLimits;
use crate::settings::duration_ms;

/// How the names of these settings begin.
pub(crate) const PREFIX: &str = "host.";
/// How long a call of the policy may take, as in `200ms`.
pub const OWN_DEADLINE: &str = "host.deadline";
/// How much memory an instance of it may have, as in `32MiB`.
pub const OWN_MEMORY: &str = "host.memory";
/// How many steps it may stage in one transaction.
pub const OWN_STEPS: &str = "host.steps";

/// Less memory than this starts no policy.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

/// The limits that a policy's settings give it; nothing where none is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLimits {
    /// How long a call may take.
    pub deadline: Option<Duration>,
    /// How much memory an instance may have, in bytes.
    pub memory_bytes: Option<u64>,
    /// How many steps it may stage in one transaction.
    pub steps: Option<u32>,
}

impl OwnLimits {
    /// The limits in a pin's settings. An empty value is none.
    ///
    /// # Errors
    ///
    /// Every value that can't be meant and every such name that there isn't, with what is allowed.
    pub fn of(pin: &PolicyPin) -> Result<Self, String> {
        let (mut limits, mut wrong) = (Self::default(), Vec::new());
        let own = pin.settings.iter().filter(|(name, _)| name.starts_with(PREFIX));
        for (name, text) in own.filter(|(_, text)| !text.is_empty()) {
            let allowed = match &**name {
                OWN_DEADLINE => {
                    let ms = duration_ms(text).filter(|ms| *ms > 0);
                    limits.deadline = ms.map(Duration::from_millis);
                    limits.deadline.is_none().then_some("a length of time such as `200ms`")
                }
                OWN_MEMORY => {
                    limits.memory_bytes =
                        bytes(text).ok().filter(|bytes| *bytes >= MEMORY_BYTES_MIN);
                    let none = limits.memory_bytes.is_none();
                    none.then_some("a size such as `32MiB`, at least `1MiB`")
                }
                OWN_STEPS => {
                    limits.steps = text.parse().ok().filter(|steps| *steps > 0);
                    limits.steps.is_none().then_some("a whole number from 1 on")
                }
                _ => {
                    wrong.push(format!(
                        "there is no limit `{name}`: there are `{OWN_DEADLINE}`, `{OWN_MEMORY}` and `{OWN_STEPS}`"
                    ));
                    None
                }
            };
            wrong.extend(
                allowed.map(|allowed| format!("`{name}` can't be `{text}`: it is {allowed}")),
            );
        }
        if wrong.is_empty() { Ok(limits) } else { Err(wrong.join("; ")) }
    }

    /// Checks that none is larger than the board's, as `host` and `steps` have them.
    pub(crate) fn within(&self, host: &HookLimits, steps: Option<u32>) -> Result<(), String> {
        let mut wrong = Vec::new();
        let mut larger = |name: &str, own: String, setting: &str, board: String| {
            wrong.push(format!(
                "`{name}={own}` is more than this board allows, which is `{setting}={board}`: set less, or raise that \
                 with `taskhost config set {setting} {own}`"
            ));
        };
        let ms = |duration: Duration| format!("{}ms", duration.as_millis());
        if let Some(own) = self.deadline.filter(|own| *own > host.deadline) {
            larger(OWN_DEADLINE, ms(own), "policy_deadline", ms(host.deadline));
        }
        let board = host.memory_bytes_max as u64;
        if let Some(own) = self.memory_bytes.filter(|own| *own > board) {
            larger(OWN_MEMORY, show_bytes(own), "policy_memory", show_bytes(board));
        }
        if let Some((own, board)) = self.steps.zip(steps).filter(|(own, board)| own > board) {
            larger(OWN_STEPS, own.to_string(), "policy_steps", board.to_string());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// What a call may use: the smaller of these and the board's.
    pub(crate) fn and(&self, mut board: HookLimits) -> HookLimits {
        board.deadline = self.deadline.map_or(board.deadline, |own| own.min(board.deadline));
        if let Some(own) = self.memory_bytes {
            let own = usize::try_from(own).unwrap_or(usize::MAX);
            board.memory_bytes_max = own.min(board.memory_bytes_max);
        }
        board
    }
}

impl HookLimits {
    /// What hooks may use on a board with these limits. They come with the board, which may come from anybody, so they
    /// are bounded here, and not only where they are set.
    #[must_use]
    pub fn on(mut self, board: &PolicyLimits) -> Self {
        if let Some(ms) = board.deadline_ms {
            self.deadline = Duration::from_millis(ms).min(Self::DEADLINE_SETTABLE_MAX);
        }
        if let Some(bytes) = board.memory_bytes {
            let bytes = bytes.min(Self::MEMORY_SETTABLE_MAX);
            self.memory_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use taskhost_board::Digest;

    use super::*;

    fn limits(settings: &[(&str, &str)]) -> Result<OwnLimits, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(own).collect();
        OwnLimits::of(&PolicyPin { digest: Digest::of(b""), settings })
    }

    #[test]
    fn smaller_of_the_policys_limit_and_the_boards_holds() {
        let own = limits(&[("host.deadline", "200ms"), ("host.memory", "32MiB"), ("depth", "3")])
            .expect("allowed");
        let board = HookLimits::default();
        assert_eq!(own.within(&board, None), Ok(()));
        let held = own.and(board.clone());
        assert_eq!((held.deadline, held.memory_bytes_max), (Duration::from_millis(200), 32 << 20));
        // Somebody lowered the board's afterwards.
        let small =
            PolicyLimits { deadline_ms: Some(50), memory_bytes: Some(2 << 20), steps: None };
        let held = own.and(board.on(&small));
        assert_eq!((held.deadline, held.memory_bytes_max), (Duration::from_millis(50), 2 << 20));
    }

    #[test]
    fn limit_above_the_boards_is_refused_with_both() {
        let own =
            limits(&[("host.deadline", "2s"), ("host.memory", "1GiB"), ("host.steps", "300")])
                .expect("allowed");
        let error = own.within(&HookLimits::default(), Some(256)).expect_err("three of three");
        for words in [
            "`host.deadline=2000ms` is more than this board allows, which is `policy_deadline=1000ms`",
            "`host.memory=1GiB` is more than this board allows, which is `policy_memory=64MiB`",
            "`host.steps=300` is more than this board allows, which is `policy_steps=256`",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn values_that_can_not_be_meant_are_told_with_what_is_allowed() {
        let error = limits(&[
            ("host.deadline", "soon"),
            ("host.memory", "3"),
            ("host.steps", "0"),
            ("host.stepps", "3"),
        ])
        .expect_err("four of four are wrong");
        for words in ["such as `200ms`", "at least `1MiB`", "from 1 on", "no limit `host.stepps`"] {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(limits(&[("host.deadline", "")]), Ok(OwnLimits::default()));
    }
}
