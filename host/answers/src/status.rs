//! The whole board at a glance.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost::domain::{ByStatus, Counts};
use taskhost::{Board, Census, Error, Name, Status, wire};

use crate::HookFigures;

/// The whole board at a glance. `waiting` are the pending ones that are neither ready, nor `timed` until some time, nor `unasked`.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct BoardStatus {
    pub total: u64,
    pub open: u64,
    pub counts: BTreeMap<&'static str, u64>,
    pub ready: u64,
    pub waiting: u64,
    pub timed: u64,
    pub unasked: u64,
    pub types: BTreeMap<String, BTreeMap<&'static str, u64>>,
    pub agents: BTreeMap<String, WithAgent>,
    pub policy: Leading,
    pub asked: HookFigures,
    pub sequence: u64,
    pub next_due_at: Option<String>,
}

/// What an agent has. `holds`: claims. `reserved`: what is reserved for it, by status.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct WithAgent {
    pub holds: u64,
    pub reserved: BTreeMap<&'static str, u64>,
    pub reserved_open: u64,
}

/// The policy that decides.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Leading {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub settings: BTreeMap<String, String>,
}

impl BoardStatus {
    /// The board as it is now.
    pub fn new(board: &Board) -> Result<Self, Error> {
        let view = board.view()?;
        let (head, census, policies) = (view.head()?, view.census()?, view.policies()?);
        let pin = policies.leading();
        let about = board.engine().describe(pin.digest)?;
        let Counts { ready, timed, unasked, .. } = head.counts;
        Ok(Self {
            total: head.counts.total(),
            open: head.counts.open(),
            counts: by_status(&head.counts.by_status, |_| true),
            ready,
            waiting: head.counts.of(Status::Pending).saturating_sub(ready + timed + unasked),
            timed,
            unasked,
            types: census
                .types
                .iter()
                .map(|(name, counts)| (name.to_string(), by_status(counts, |count| count > 0)))
                .collect(),
            agents: agents(&census),
            policy: Leading {
                name: about.name,
                version: about.version,
                digest: pin.digest.to_string(),
                settings: pin.settings.clone(),
            },
            asked: HookFigures::new(&board.figures()?),
            sequence: head.sequence.0,
            next_due_at: board.next_due()?.map(wire::time),
        })
    }
}

fn by_status(counts: &ByStatus, shown: impl Fn(u64) -> bool) -> BTreeMap<&'static str, u64> {
    let counts = Status::ALL.iter().map(|status| (status.as_str(), counts[*status as usize]));
    counts.filter(|(_, count)| shown(*count)).collect()
}

fn agents(census: &Census) -> BTreeMap<String, WithAgent> {
    let mut agents: BTreeMap<String, WithAgent> = BTreeMap::new();
    let of = |name: &Name| name.to_string();
    for (name, holds) in &census.holders {
        agents.entry(of(name)).or_default().holds = *holds;
    }
    for (name, counts) in &census.assignees {
        let agent = agents.entry(of(name)).or_default();
        agent.reserved = by_status(counts, |count| count > 0);
        let open = Status::ALL.iter().filter(|status| !status.is_finished());
        agent.reserved_open = open.map(|status| counts[*status as usize]).sum();
    }
    agents
}
