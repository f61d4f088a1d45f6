//! An example policy: agents get tasks in the proportion of their shares, whoever asks faster.
//!
//! The policy knows whose turn it is, and sends the others away for a while. Three things have to be decided, each in
//! a place of its own:
//!
//! - `shares`: who has which share, from the setting.
//! - `turns`: whose turn it is. What that depends on is remembered with the very claim that it counts.
//! - Here: who asks, and for whom others wait. An agent that asks in vain, or hasn't asked for a while, is passed over,
//!   so nobody waits for long for somebody who isn't there.

mod shares;
mod turns;

#[cfg(test)]
mod tests;

use shares::Shares;
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{
    About, Assignment, Description, DurationMs, Order, Request, Reservation, Setting, StepError,
    Transaction, View, clock,
};
use turns::Turns;

const SHARES: Setting<String> = Setting::text(
    "shares",
    "",
    "Who gets how much, as `ada:3,bob:1,*:2`. `*` is everybody else together, who take turns: 1 unless said \
     otherwise, and with 0 they get only what nobody else is asking for. Shares add up to 1,000 at most.",
);

const PATIENCE: Setting<DurationMs> = Setting::duration(
    "patience",
    "20s",
    "How long an agent counts as asking after it last asked, and so how long others wait when it is its turn.",
);

/// Where the turns are remembered. One value holds everything, so it can't disagree with itself.
const KEY: &str = "turns";

struct FairShare;

impl About for FairShare {
    fn describe() -> Description {
        let summary = "Each agent gets its share of the tasks.";
        Description::new("fair-share", env!("CARGO_PKG_VERSION"), summary)
            .with(&SHARES)
            .with(&PATIENCE)
    }
}

impl Assignment for FairShare {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let answer = Shares::parse(&SHARES.get())
            .and_then(|shares| choose(view, tx, &request, &shares).map_err(|e| e.message().into()));
        answer.unwrap_or_else(Answer::Refused)
    }
}

fn choose(
    view: &View,
    tx: &Transaction,
    request: &Request,
    shares: &Shares,
) -> Result<Answer, StepError> {
    let (now, patience, asker) = (clock::now(), PATIENCE.get(), request.asker.name.as_str());
    let mut turns = Turns::recall(view.recall(KEY).as_deref(), shares);
    turns.forget_outside(now.saturating_sub(patience)..=now);

    let ready = view.candidates(&request.filter, Reservation::Either, Order::Rank).next(16);
    if !ready.is_empty() {
        // A note of every ask would be a line in the journal each time: a quarter of the patience is near enough.
        let is_news = turns.note(asker, now, patience / 4);
        let mut after = turns.clone();
        let turn = after.take(shares, asker);
        if turn != asker {
            if is_news {
                tx.remember(KEY, Some(turns.to_string().as_bytes()))?;
            }
            return Ok(Answer::Nothing(Some(format!("it is the turn of `{turn}`"))));
        }
        for task in ready {
            // Somebody may have locked it by hand.
            if tx.claim(&task.id, request.lease).is_ok() {
                tx.remember(KEY, Some(after.to_string().as_bytes()))?;
                return Ok(Answer::Staged);
            }
        }
    }
    // There is nothing that it could be given: nobody need wait for it.
    if turns.forget(asker) {
        tx.remember(KEY, Some(turns.to_string().as_bytes()))?;
    }
    Ok(Answer::Nothing(None))
}

taskhost_sdk::policy!(FairShare: assignment);
