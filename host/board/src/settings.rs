//! What a board is set to: its policies and its own settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Space};

/// One policy as a board has it: which component, with which settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPin {
    /// The component.
    pub digest: Digest,
    /// The settings that differ from what the policy declares, as a user wrote them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// The policies of a board. Every process that opens the board decides by these and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// What was set with `policy set`, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<PolicyPin>,
    /// The standard policy that the board was made with.
    pub standard: PolicyPin,
}

impl PolicySet {
    /// The policy that is asked first.
    pub fn leading(&self) -> &PolicyPin {
        self.custom.as_ref().unwrap_or(&self.standard)
    }

    /// The pin whose memory `space` is.
    pub fn pin(&self, space: Space) -> Option<&PolicyPin> {
        match space {
            Space::Custom => self.custom.as_ref(),
            Space::Standard => Some(&self.standard),
        }
    }

    /// Every digest that is needed to decide.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.custom.iter().map(|pin| pin.digest).chain([self.standard.digest])
    }
}

/// The board's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BoardSettings {
    /// Accept `complete`, `fail`, `release` and `heartbeat` without a token, for clients that have none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfenced: bool,
    /// A directory that policies of several boards share, if the operator gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_files: Option<String>,
    /// Let the standard policy decide where the board's own one fails; each time is recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallback: bool,
    /// What the board's policies may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy_limits: PolicyLimits,
    /// How long the history is kept: for ever, unless it is said otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Retention,
    /// From which size on the journal is made short again, in bytes; 64 MiB unless it is said otherwise, and
    /// never by itself if it is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compact_bytes: Option<u64>,
    /// How long request keys are kept, in milliseconds; 7 days unless it is said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_kept_ms: Option<u64>,
}

impl BoardSettings {
    /// How long request keys are kept, in milliseconds.
    pub fn keys_kept_ms(&self) -> u64 {
        const DAYS_7: u64 = 7 * 24 * 60 * 60 * 1000;
        self.keys_kept_ms.unwrap_or(DAYS_7)
    }

    /// From which size on the journal is made short again, in bytes; `None` for never.
    pub fn compact_bytes(&self) -> Option<u64> {
        const MIB_64: u64 = 64 << 20;
        Some(self.compact_bytes.unwrap_or(MIB_64)).filter(|bytes| *bytes > 0)
    }
}

/// What a board's policies may use; the defaults where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyLimits {
    /// How long a hook may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// How much memory an instance may have, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How many steps may be staged in a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

impl PolicyLimits {
    /// The most steps that a board's settings can allow.
    pub const STEPS_SETTABLE_MAX: u32 = 100_000;
}

/// How long retired journals are kept. Both bounds hold, where both are given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// For how long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// How much of it, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
