//! What an agent would get if it asked for work now, and why not the rest.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost::{Agent, Board, Error, Filter, Name, Prospect, Status, wire};

use crate::Standing;

/// What an agent would get now. `next`: the task that it would get. `ready`: what the ready tasks are to it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Prospects {
    pub agent: String,
    pub next: Option<Standing>,
    pub reason: Option<String>,
    pub refused: bool,
    pub holds: Vec<Standing>,
    pub holds_total: u64,
    pub reserved: Vec<Standing>,
    pub reserved_total: u64,
    pub ready: ReadyFor,
    pub counts: BTreeMap<&'static str, u64>,
    pub next_ready_at: Option<String>,
    pub log: Vec<String>,
}

/// What the ready tasks are to an agent. `filtered_out`: of another type, or without a label that is asked for. `lacking`: by capability; a task that needs
/// two counts for each.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct ReadyFor {
    pub total: u64,
    pub matching: u64,
    pub filtered_out: u64,
    pub for_others: u64,
    pub lacking: BTreeMap<String, u64>,
}

impl Prospects {
    /// What `agent` would get if it asked for this; what it is capable of is its own.
    pub fn new(board: &Board, agent: &Agent, filter: &Filter) -> Result<Self, Error> {
        let filter = Filter { capabilities: agent.capabilities.clone(), ..filter.clone() };
        Ok(answer(&agent.name, &board.prospect(agent, &filter)?))
    }
}

fn answer(agent: &Name, prospect: &Prospect) -> Prospects {
    let counts = &prospect.counts;
    let standing = |tasks: &[taskhost::Task]| tasks.iter().map(Standing::from).collect();
    Prospects {
        agent: agent.to_string(),
        next: prospect.next.as_ref().map(Standing::from),
        reason: prospect.why.clone(),
        refused: prospect.refused,
        holds: standing(&prospect.holds),
        holds_total: prospect.holds_total,
        reserved: standing(&prospect.reserved),
        reserved_total: prospect.reserved_total,
        ready: ReadyFor {
            total: counts.ready,
            matching: prospect.matching,
            filtered_out: prospect.filtered_out,
            for_others: prospect.for_others,
            lacking: prospect
                .lacking
                .iter()
                .map(|(name, count)| (name.to_string(), *count))
                .collect(),
        },
        counts: Status::ALL.iter().map(|status| (status.as_str(), counts.of(*status))).collect(),
        next_ready_at: prospect.next_ready_at.map(wire::time),
        log: prospect.log.clone(),
    }
}
