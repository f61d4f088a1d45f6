//! Who works on a board.

use serde::{Deserialize, Serialize};

use crate::{Name, SessionId};

/// What kind of worker an agent or assignee is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// A program that works by itself.
    #[default]
    Agent,
    /// A machine.
    Host,
    /// A person.
    Human,
}

/// Who asks: a name that may be shared, and the session that is one running agent of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The name it goes by.
    pub name: Name,
    /// What kind of worker it is.
    #[serde(default)]
    pub kind: AgentKind,
    /// This run of it.
    pub session: SessionId,
    /// The machine it runs on, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Name>,
    /// What it can do, as tasks' needs name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Name>,
    /// Whether it holds its life lock, so that its death shows at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub living: bool,
}
