//! Histories that are written down call by call.

use std::collections::BTreeMap;

use super::{has_order, naive, start};
use crate::histories::model::State;
use crate::histories::search::when;
use crate::histories::words::{
    Agent, Answer, Ask, Call, Finish, History, Id, New, Op, Proof, Task, Words,
};

pub(super) const T: Id = Id(1);
pub(super) const MS: u64 = 1_000_000;

pub(super) fn new(id: Id) -> Op {
    Op::Add(New {
        id,
        kind: Words(1),
        parent: None,
        after: Vec::new(),
        priority: 0,
        labels: Words(0),
        needs: Words(0),
        assignee: None,
        data: 0,
        key: None,
    })
}

pub(super) fn ask(agent: Agent, session: u32, lease_ms: u64, key: Option<u32>) -> Op {
    Op::Claim(Ask {
        agent,
        session,
        living: true,
        kinds: Words(0),
        labels: Words(0),
        capabilities: Words(0),
        only: None,
        lease_ms: Some(lease_ms),
        key,
    })
}

pub(super) fn finish(agent: Agent, token: u64, how: Finish) -> Op {
    Op::Finish { id: T, proof: Proof { agent, token }, how }
}

/// A history that is written down call by call; each call is asked of a model first, so that right answers needn't be
/// spelled out.
pub(super) struct Script {
    pub(super) history: History,
    /// The board on which the answers come about.
    pub(super) state: State,
}

impl Script {
    pub(super) fn new() -> Self {
        let history = History { start: start(), deaths: BTreeMap::new(), calls: Vec::new() };
        Self { state: State::new(&history.start), history }
    }

    /// Asks between these milliseconds, and is answered rightly, as of everything that was asked before.
    pub(super) fn right(&mut self, by: u32, from_ms: u64, to_ms: u64, op: Op) -> &mut Self {
        self.call(by, from_ms, to_ms, op, None);
        let (call, state) = (self.history.calls.len() - 1, self.state.clone());
        let asked = &self.history.calls[call];
        // The first is the one in which nothing came due.
        let outcomes = state.outcomes(&asked.op, &when(&self.history, asked));
        let outcome = outcomes.into_iter().next().expect("a request leads to something");
        let answer = exact(outcome.answer(&state));
        let accepted = outcome.accept(&state, &answer).expect("its own answer");
        self.state = accepted.unwrap_or(state);
        self.history.calls[call].answer = Some(answer);
        self
    }

    /// Asks, and is answered this.
    pub(super) fn said(
        &mut self,
        by: u32,
        from_ms: u64,
        to_ms: u64,
        op: Op,
        answer: Answer,
    ) -> &mut Self {
        self.call(by, from_ms, to_ms, op, Some(answer))
    }

    /// Asks, and dies before it is answered.
    pub(super) fn killed(&mut self, by: u32, from_ms: u64, to_ms: u64, op: Op) -> &mut Self {
        self.call(by, from_ms, to_ms, op, None)
    }

    pub(super) fn call(
        &mut self,
        by: u32,
        from_ms: u64,
        to_ms: u64,
        op: Op,
        answer: Option<Answer>,
    ) -> &mut Self {
        let (from_ns, to_ns) = (from_ms * MS, to_ms * MS);
        self.history.calls.push(Call { by, op, from_ns, to_ns, answer });
        self
    }

    pub(super) fn last(&self) -> Answer {
        let last = self.history.calls.last().and_then(|call| call.answer.clone());
        last.expect("the last one was answered")
    }

    /// Changes the task in the last answer.
    pub(super) fn lie(&mut self, lie: impl FnOnce(&mut Task)) -> &mut Self {
        match self.history.calls.last_mut().and_then(|call| call.answer.as_mut()) {
            Some(Answer::Task(task, _)) => lie(task),
            other => panic!("no task was answered, but {other:?}"),
        }
        self
    }

    #[track_caller]
    pub(super) fn has_order(&self) {
        assert!(has_order(&self.history), "{:#?}", self.history.calls);
        assert!(naive(&self.history));
    }

    #[track_caller]
    pub(super) fn has_none(&self) {
        assert!(!has_order(&self.history), "{:#?}", self.history.calls);
        assert!(!naive(&self.history));
    }
}

/// An answer in which every lease ends at one moment.
pub(super) fn exact(mut answer: Answer) -> Answer {
    let settle = |task: &mut Task| {
        if let Some(claim) = &mut task.claim {
            claim.ends.to_ms = claim.ends.from_ms;
        }
    };
    match &mut answer {
        Answer::Task(task, _) => settle(task),
        Answer::Whole(whole) => whole.tasks.iter_mut().for_each(settle),
        _ => {}
    }
    answer
}
