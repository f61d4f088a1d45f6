//! What is written down while a hook runs: each question with its answer.
//!
//! The board's answers don't change while a transaction is open, so each is noted once. Locks and files belong to
//! everybody, so every answer is noted, in order.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use crate::{Candidate, Digest, Family, Name, OrderKey, Place, ReadyQuery, Space, Task, TaskId};

/// How much is noted of one call, in bytes, about.
pub const NOTES_BYTES_MAX: usize = 32 << 20;

/// What the board answered while a hook ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// Tasks as they stood before anything was staged.
    pub(super) tasks: BTreeMap<TaskId, Option<Task>>,
    #[serde(with = "pairs")]
    pub(super) children: BTreeMap<ChildrenPage, Vec<TaskId>>,
    #[serde(with = "pairs")]
    pub(super) ready: BTreeMap<ReadyPage, Vec<Candidate>>,
    pub(super) claims_held: BTreeMap<Name, u32>,
    #[serde(with = "pairs")]
    pub(super) recalled: BTreeMap<(Space, String), Option<Bytes>>,
    pub(super) remembered: BTreeMap<Space, u32>,
    /// Whether the tasks' locks could be had.
    pub(super) task_locks: BTreeMap<TaskId, bool>,
    pub(super) locks: BTreeMap<String, VecDeque<LockAnswer>>,
    #[serde(with = "pairs")]
    pub(super) files: BTreeMap<FileQuestion, VecDeque<FileAnswer>>,
}

/// A page of a task's children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ChildrenPage {
    pub(super) parent: TaskId,
    pub(super) which: Family,
    pub(super) past: Option<TaskId>,
    pub(super) limit: usize,
}

/// A page of the tasks that are ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ReadyPage {
    pub(super) query: ReadyQuery,
    pub(super) past: Option<OrderKey>,
    pub(super) limit: usize,
}

/// What came of asking for a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LockAnswer {
    Given { waited_ms: u64 },
    Timeout,
    Limit(String),
    Failed(String),
}

/// What was asked of a file. Contents that were written are told by their digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileQuestion {
    Read { at: Place, name: String },
    Replace { at: Place, name: String, content: Digest, expected: Option<Digest> },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileAnswer {
    Content(Bytes),
    Replaced,
    NotFound,
    Changed,
    Forbidden(String),
    TooLarge,
    Failed(String),
}

impl Notes {
    /// How many answers there are.
    pub fn len(&self) -> usize {
        let locks: usize = self.locks.values().map(VecDeque::len).sum();
        let files: usize = self.files.values().map(VecDeque::len).sum();
        self.tasks.len()
            + self.children.len()
            + self.ready.len()
            + self.claims_held.len()
            + self.recalled.len()
            + self.remembered.len()
            + self.task_locks.len()
            + locks
            + files
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an answer takes, in bytes, about: enough to bound what is kept.
pub(super) trait Weight {
    fn weight(&self) -> usize;
}

/// What a note takes besides its texts.
pub(super) const NOTE_BYTES: usize = 128;
/// What a short text in a list takes.
const ENTRY_BYTES: usize = 64;

impl Weight for Task {
    fn weight(&self) -> usize {
        let texts = [&self.reason, &self.error, &self.key];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let result = self.result.as_ref().map_or(0, |json| json.as_str().len());
        let lists = self.after.len() + self.labels.len() + self.needs.len();
        4 * ENTRY_BYTES + texts + result + self.data.as_str().len() + lists * ENTRY_BYTES
    }
}

impl Weight for Option<Task> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, Task::weight)
    }
}

impl Weight for Vec<TaskId> {
    fn weight(&self) -> usize {
        self.len() * ENTRY_BYTES
    }
}

impl Weight for Vec<Candidate> {
    fn weight(&self) -> usize {
        self.len() * 4 * ENTRY_BYTES
    }
}

impl Weight for Option<Bytes> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, |bytes| bytes.0.len())
    }
}

impl Weight for LockAnswer {
    fn weight(&self) -> usize {
        ENTRY_BYTES
    }
}

impl Weight for FileAnswer {
    fn weight(&self) -> usize {
        match self {
            Self::Content(bytes) => bytes.0.len(),
            _ => ENTRY_BYTES,
        }
    }
}

impl Weight for u32 {
    fn weight(&self) -> usize {
        0
    }
}

impl Weight for bool {
    fn weight(&self) -> usize {
        0
    }
}

/// Maps whose keys aren't texts, as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
