//! `explain` for an agent: what it would get now, and why not the rest.

use std::collections::BTreeMap;

use super::{Engine, Error};
use crate::{
    Agent, Choice, Counts, Filter, Hooked, ListQuery, Millis, Name, ReadyQuery, Reservation, Task,
};

/// How many tasks of a kind are named.
const NAMED_MAX: usize = 50;

/// What an agent can expect.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// The task that it would get if it asked now.
    pub next: Option<Task>,
    /// Why there is none, where the policy said so.
    pub why: Option<String>,
    /// Whether the policy refuses it altogether.
    pub refused: bool,
    /// What agents of its name hold, the first 50.
    pub holds: Vec<Task>,
    /// How many they hold.
    pub holds_total: u64,
    /// Open tasks that are reserved for agents of its name, the first 50.
    pub reserved: Vec<Task>,
    /// How many there are.
    pub reserved_total: u64,
    /// How many tasks are ready and match what it asks for.
    pub matching: u64,
    /// How many are ready but of another type, or lack a label that it asks for.
    pub filtered_out: u64,
    /// How many are ready but reserved for somebody else.
    pub for_others: u64,
    /// How many are ready but for capabilities that it lacks, by capability.
    pub lacking: BTreeMap<Name, u64>,
    /// How many tasks stand where.
    pub counts: Counts,
    /// When a lease ends or a task's time comes, if that is known.
    pub next_ready_at: Option<Millis>,
    /// What the policy wrote to its log meanwhile.
    pub log: Vec<String>,
}

impl Engine {
    /// What `asker` would get if it asked for this now, and what stands in the way of the rest. Changes nothing. Its
    /// cost grows with the number of ready tasks.
    pub fn prospect(&self, asker: &Agent, filter: &Filter) -> Result<Prospect, Error> {
        self.look(|fell_back| self.prospect_by(asker, filter, fell_back))
    }

    fn prospect_by(
        &self,
        asker: &Agent,
        filter: &Filter,
        fell_back: bool,
    ) -> Result<Prospect, Error> {
        let (view, now) = self.store.snapshot()?;
        let head = view.head()?;
        let next_ready_at = view.next_due(&now)?;
        let few = ListQuery { limit: NAMED_MAX, ..ListQuery::default() };
        let holds = view.list(&ListQuery { agent: Some(asker.name.clone()), ..few.clone() })?;
        let open = crate::Status::ALL.into_iter().filter(|status| !status.is_finished());
        let reserved = view.list(&ListQuery {
            assignee: Some(asker.name.clone()),
            statuses: open.collect(),
            ..few
        })?;
        let ready =
            view.list(&ListQuery { ready: true, limit: usize::MAX, ..ListQuery::default() })?;
        let mut prospect = Prospect {
            next: None,
            why: None,
            refused: false,
            holds: holds.tasks,
            holds_total: holds.total,
            reserved: reserved.tasks,
            reserved_total: reserved.total,
            matching: 0,
            filtered_out: 0,
            for_others: 0,
            lacking: BTreeMap::new(),
            counts: head.counts,
            next_ready_at,
            log: Vec::new(),
        };
        ready.tasks.iter().for_each(|task| prospect.sort(task, asker, filter));

        let (mut tx, mut hooks) = self.rehearse(view, now, fell_back)?;
        tx.lend_to_assign(asker, filter);
        let Hooked { tx, answer } = hooks.choose(tx, asker, filter, None);
        match answer? {
            Choice::Staged => {
                let id = tx.claimed().cloned();
                prospect.next = id.map(|id| tx.view().task(&id)).transpose()?.flatten();
            }
            Choice::Nothing(why) => prospect.why = why,
            Choice::Refused(why) => (prospect.why, prospect.refused) = (Some(why), true),
        }
        prospect.log = hooks.take_log();
        hooks.close(false);
        Ok(prospect)
    }
}

impl Prospect {
    /// Counts a ready task where it belongs, by the first thing that stands in its way.
    fn sort(&mut self, task: &Task, asker: &Agent, filter: &Filter) {
        let query = ReadyQuery {
            filter: filter.clone(),
            reserved: Reservation::Either(asker.clone()),
            order: crate::Order::Rank,
        };
        if query.place(task).is_some() {
            self.matching += 1;
        } else if !query.reserved.matches(task) {
            self.for_others += 1;
        } else if task.lacking(&filter.capabilities).next().is_some() {
            for need in task.lacking(&filter.capabilities) {
                *self.lacking.entry(need.clone()).or_default() += 1;
            }
        } else {
            self.filtered_out += 1;
        }
    }
}
