//! What stands in a board's files, byte by byte.
//!
//! - [`BoardFile`]: `board.json`, the pointer.
//! - [`mod@line`]: a line of `journal-<generation>.jsonl`, one per committed entry.
//! - [`snapshot`]: `tasks-<generation>.jsonl`, what a generation starts from.
//! - [`Checksum`]: 8 bytes of SHA-256, by which lines verify themselves and are chained.
//!
//! Everything is JSON, one value per line, so that people can read a board with the tools they have. Unknown
//! fields are ignored; whatever changes a meaning raises [`FORMAT`].

pub(crate) mod line;
pub(crate) mod snapshot;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use taskhost_board::{Elsewhere, Generation};

/// The format that this version writes. Older ones are read as they are, and upgraded before their first change
/// (`upgrade`); newer ones are read as far as possible and never changed (`newer`).
///
/// | format | what changed |
/// | --- | --- |
/// | 1 | the first one |
/// | 2 | entries that the first version doesn't know: tasks that are updated, reopened, accepted, archived; the workflow's metadata; fallbacks; processes of claims; claims that are taken up again; more settings |
/// | 3 | only boards that are elsewhere: `board.json` says where. What is in the other files is as in format 2 |
pub(crate) const FORMAT: u32 = 2;

/// The format of a board that is elsewhere, so that versions which don't know of such boards don't change it either. Whoever
/// raises [`FORMAT`] next makes it 4.
const ELSEWHERE: u32 = 3;

/// The first 8 bytes of a SHA-256: enough to notice accidents, not to withstand forgers, who could rewrite the
/// whole journal anyway.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Checksum(pub(crate) [u8; 8]);

impl Checksum {
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        Self::finish(hash)
    }

    pub(crate) fn finish(hash: Sha256) -> Self {
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        Self(bytes)
    }

    /// What the chain of a generation's journal begins with: it ties the journal to its board and snapshot.
    pub(crate) fn seed(board: &str, generation: Generation, snapshot: Self) -> Self {
        Self::of(&[board.as_bytes(), b"\0", &generation.0.to_be_bytes(), &snapshot.0])
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 16)
            .then(|| u64::from_str_radix(text, 16).ok())?
            .map(|n| Self(n.to_be_bytes()))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a checksum of 16 hex digits"))
    }
}

/// `board.json`: which generation is current, and whether the board is here at all; nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoardFile {
    pub(crate) format: u32,
    pub(crate) board: String,
    pub(crate) generation: Generation,
    /// Where the board is, if it isn't to be worked on here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elsewhere: Option<Elsewhere>,
}

impl BoardFile {
    /// The same in a place where the board isn't, or is again.
    pub(crate) fn with_elsewhere(self, elsewhere: Option<Elsewhere>) -> Self {
        let format = match (&elsewhere, self.format) {
            (Some(_), _) => ELSEWHERE,
            (None, ELSEWHERE) => FORMAT,
            (None, format) => format,
        };
        Self { format, elsewhere, ..self }
    }

    /// Whether this version may not change the board because it doesn't know its format.
    pub(crate) fn is_newer(&self) -> bool {
        self.format > FORMAT && !(self.format == ELSEWHERE && self.elsewhere.is_some())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("plain fields can be serialized");
        bytes.push(b'\n');
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}

/// The names of a board's files.
pub(crate) mod names {
    use taskhost_board::{Digest, Generation, SessionId, TaskId};

    pub(crate) const BOARD: &str = "board.json";
    pub(crate) const LOCK: &str = "board.lock";
    pub(crate) const BOARD_HOLDER: &str = "locks/board.holder";
    /// In the board's lock's place for those who run inside `taskhost lock board`.
    pub(crate) const INSIDE_LOCK: &str = "locks/board-inside.lock";
    pub(crate) const SWITCH_LOCK: &str = "locks/switch.lock";
    /// The mark of an import that has begun to give names.
    pub(crate) const IMPORTING: &str = "importing";
    /// Starts of other machines that claims speak of which came from there.
    pub(crate) const OTHER_BOOTS: &str = "other-boots";
    pub(crate) const HISTORY: &str = "history";
    /// Every directory of a board, in the order in which they are made.
    pub(crate) const DIRECTORIES: [&str; 8] =
        ["policies", "policy-files", "locks", "agents", "history", "index", "context", "output"];

    pub(crate) fn journal(generation: Generation) -> String {
        format!("journal-{generation}.jsonl")
    }

    pub(crate) fn retired(generation: Generation) -> String {
        format!("{HISTORY}/journal-{generation}.jsonl")
    }

    pub(crate) fn poisoned(generation: Generation) -> String {
        format!("journal-{generation}.poisoned")
    }

    pub(crate) fn tasks(generation: Generation) -> String {
        format!("tasks-{generation}.jsonl")
    }

    pub(crate) fn dropped(generation: Generation, offset: u64) -> String {
        format!("{HISTORY}/dropped-{generation}-{offset}")
    }

    pub(crate) fn policy(digest: Digest) -> String {
        format!("policies/{digest}.wasm")
    }

    pub(crate) fn life(session: &SessionId) -> String {
        format!("agents/{session}.lock")
    }

    pub(crate) fn task_lock(task: &TaskId) -> String {
        format!("locks/task_{task}.lock")
    }

    pub(crate) fn task_holder(task: &TaskId) -> String {
        format!("locks/task_{task}.holder")
    }

    /// The task whose lock, or whose lock's note, has this name in `locks/`.
    pub(crate) fn task_in(name: &str) -> Option<TaskId> {
        let rest = name.strip_prefix("task_")?;
        let id = rest.strip_suffix(".lock").or_else(|| rest.strip_suffix(".holder"))?;
        TaskId::new(id).ok()
    }

    pub(crate) fn index(generation: Generation, epoch: u64) -> String {
        format!("{generation}-{epoch:016x}")
    }

    /// The generation and epoch in an index's name.
    pub(crate) fn index_in(name: &str) -> Option<(Generation, u64)> {
        let (generation, epoch) = name.split_once('-').filter(|(_, epoch)| epoch.len() == 16)?;
        let generation = generation.parse().ok().map(Generation)?;
        Some((generation, u64::from_str_radix(epoch, 16).ok()?))
    }

    /// The generation in a name such as `journal-7.jsonl`.
    pub(crate) fn generation_in(name: &str, prefix: &str, suffix: &str) -> Option<Generation> {
        name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok().map(Generation)
    }
}
