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
}
