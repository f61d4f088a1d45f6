//! Who works on a board.

use serde::{Deserialize, Serialize};

use crate::{BootId, Name, SessionId};

/// What kind of worker an agent or assignee is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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

/// One process, named so that another one that was given the same number later isn't taken for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its number in its namespace.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
    /// During which boot.
    pub boot: BootId,
    /// The inode of its namespace of process numbers: whoever is in another one can't tell whether it lives.
    pub namespace: u64,
}

/// What proves that a holder lives, and whose end proves its death before its lease is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vital {
    /// The life lock of a session.
    Session(SessionId),
    /// A process that a claim names.
    Process(Process),
}

/// Who asks: a name that may be shared, and the session that is one running agent of that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The process whose death is to prove this agent's, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}
