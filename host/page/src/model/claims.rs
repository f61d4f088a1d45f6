//! Claims from their beginning to their end: what the timeline draws.

use std::collections::HashMap;

use serde::Serialize;
use taskhost_board::{Cause, Change, Claim, Millis, Status};

use super::events::Place;
use super::tasks::Row;
use super::texts::Text;

/// How a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The task is done.
    Completed,
    /// The holder is done, and the work waits for review.
    InReview,
    /// The holder gave the task up for good.
    Failed,
    /// The holder gave the task up, and the policy wants another attempt.
    Retried,
    /// The holder handed the task back.
    Released,
    /// The lease ran out.
    LeaseOver,
    /// The holder was proved dead.
    HolderDead,
    /// The policy took it.
    Policy,
    /// An operator took it.
    Operator,
    /// The task was parked.
    Blocked,
    /// The task isn't wanted any more.
    Cancelled,
    /// It hasn't ended.
    Held,
    /// It has ended, and the history doesn't say how.
    Unknown,
}

impl End {
    /// Every way.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 13] = [
        Self::Completed,
        Self::InReview,
        Self::Failed,
        Self::Retried,
        Self::Released,
        Self::LeaseOver,
        Self::HolderDead,
        Self::Policy,
        Self::Operator,
        Self::Blocked,
        Self::Cancelled,
        Self::Held,
        Self::Unknown,
    ];

    /// How this change ends a claim; nothing if it ends none.
    pub(super) fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::Released { .. } => Self::Released,
            Change::Recovered { cause, .. } => match cause {
                Cause::LeaseOver => Self::LeaseOver,
                Cause::HolderDead => Self::HolderDead,
                Cause::Policy => Self::Policy,
                Cause::Operator => Self::Operator,
            },
            Change::Retried { .. } => Self::Retried,
            Change::Blocked { .. } => Self::Blocked,
            Change::Finished { status, .. } => match status {
                Status::InReview => Self::InReview,
                Status::Failed => Self::Failed,
                Status::Cancelled => Self::Cancelled,
                _ => Self::Completed,
            },
            _ => return None,
        })
    }
}

/// Whether only a claim that was held can have had this change, whatever is known of it.
fn needs_a_claim(change: &Change) -> bool {
    matches!(
        change,
        Change::Released { .. }
            | Change::Recovered { .. }
            | Change::Retried { .. }
            | Change::Finished { verb: Some(_), .. }
            | Change::Blocked { verb: Some(_), .. }
    )
}

/// A claim from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) task: Row,
    pub(super) agent: Text,
    pub(super) session: Text,
    pub(super) token: Option<u64>,
    /// When it began; nothing if that was before the history that is kept.
    pub(super) from: Option<Millis>,
    /// When it ended, if it has.
    pub(super) to: Option<Millis>,
    pub(super) end: End,
    /// Since when the task was ready, where the history says so.
    pub(super) ready: Option<Millis>,
    pub(super) ended: Option<Place>,
}

/// All claims, in the order in which they became known.
#[derive(Debug, Default)]
pub(super) struct Claims {
    bars: Vec<Bar>,
    /// Those that are held, by their tasks.
    held: HashMap<Row, usize>,
}

/// Which change of which task it was, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) task: Row,
    pub(super) time: Millis,
    pub(super) place: Place,
}

impl Claims {
    /// A claim begins.
    pub(super) fn begin(
        &mut self,
        at: At,
        claim: &Claim,
        who: (Text, Text),
        ready: Option<Millis>,
    ) {
        let (agent, session) = who;
        self.held.insert(at.task, self.bars.len());
        self.bars.push(Bar {
            task: at.task,
            agent,
            session,
            token: Some(claim.token.0),
            from: Some(at.time),
            to: None,
            end: End::Held,
            ready,
            ended: None,
        });
    }

    /// A claim ends, if this change ends one. `who` had it, if nobody saw it begin.
    pub(super) fn end(&mut self, at: At, change: &Change, who: Text) {
        let Some(end) = End::of(change) else { return };
        let bar = match self.held.remove(&at.task) {
            Some(held) => &mut self.bars[held],
            None if needs_a_claim(change) => {
                self.bars.push(unseen(at.task, who));
                let last = self.bars.len() - 1;
                &mut self.bars[last]
            }
            None => return,
        };
        (bar.to, bar.end, bar.ended) = (Some(at.time), end, Some(at.place));
    }

    /// A task is held now, by what the board says; the history may not reach back to when it was claimed.
    pub(super) fn holds(&mut self, task: Row, claim: &Claim, who: (Text, Text)) {
        if self.held.get(&task).is_some_and(|held| self.bars[*held].token == Some(claim.token.0)) {
            return;
        }
        let (agent, session) = who;
        self.held.insert(task, self.bars.len());
        self.bars.push(Bar {
            session,
            token: Some(claim.token.0),
            from: Some(claim.since),
            end: End::Held,
            ..unseen(task, agent)
        });
    }

    /// All of them. What the history left open and the board doesn't know as held has ended somehow.
    pub(super) fn into_bars(mut self, is_held: impl Fn(Row, Option<u64>) -> bool) -> Vec<Bar> {
        for bar in self.bars.iter_mut().filter(|bar| bar.end == End::Held) {
            if !is_held(bar.task, bar.token) {
                (bar.to, bar.end) = (bar.from, End::Unknown);
            }
        }
        self.bars
    }
}

/// A claim of which nobody saw the beginning.
fn unseen(task: Row, agent: Text) -> Bar {
    Bar {
        task,
        agent,
        session: Text::NONE,
        token: None,
        from: None,
        to: None,
        end: End::Unknown,
        ready: None,
        ended: None,
    }
}

/// A part of all claims each. Times are milliseconds since the epoch; -1 where there is no event.
#[derive(Debug, Default, Serialize)]
pub(super) struct Columns {
    task: Vec<Row>,
    agent: Vec<Text>,
    session: Vec<Text>,
    token: Vec<Option<u64>>,
    from: Vec<Option<Millis>>,
    to: Vec<Option<Millis>>,
    end: Vec<End>,
    ready: Vec<Option<Millis>>,
    ended: Vec<i64>,
}

impl Columns {
    pub(super) fn of(bars: &[Bar], places: &[usize]) -> Self {
        let place = |place: Option<Place>| {
            place.map_or(-1, |place| i64::try_from(places[place]).unwrap_or(i64::MAX))
        };
        Self {
            task: bars.iter().map(|bar| bar.task).collect(),
            agent: bars.iter().map(|bar| bar.agent).collect(),
            session: bars.iter().map(|bar| bar.session).collect(),
            token: bars.iter().map(|bar| bar.token).collect(),
            from: bars.iter().map(|bar| bar.from).collect(),
            to: bars.iter().map(|bar| bar.to).collect(),
            end: bars.iter().map(|bar| bar.end).collect(),
            ready: bars.iter().map(|bar| bar.ready).collect(),
            ended: bars.iter().map(|bar| place(bar.ended)).collect(),
        }
    }
}
