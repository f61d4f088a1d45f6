//! The hooks: each misbehaves if it is the one that the setting `hook` names.

use crate::misdeeds::{Answer, Given, HEARD, commit};
use crate::{HOOK, Hostile, MODE, TARGET};
use std::sync::atomic::Ordering;
use taskhost_sdk::{
    Assignment, Lifecycle, Readiness, Recovery, Request, Task, Transaction, View, assignment,
    lifecycle, readiness, recovery,
};

impl Readiness for Hostile {
    fn classify(view: &View, _: &Task) -> readiness::Answer {
        match act("readiness", view, None) {
            Answer::Ready => readiness::Answer::Ready(0),
            Answer::Cancel => readiness::Answer::Cancel("hostile".to_owned()),
            Answer::Keep(time) => readiness::Answer::Until(time),
            // A readiness hook can't refuse: this is where `explain` shows what it has to say.
            Answer::Refused(text) => readiness::Answer::Never(text),
            Answer::Standard | Answer::Staged => readiness::Answer::Standard,
        }
    }
}

impl Assignment for Hostile {
    fn choose(view: &View, tx: &Transaction, _: Request) -> assignment::Answer {
        match act("assignment", view, Some(tx)) {
            Answer::Staged => assignment::Answer::Staged,
            Answer::Refused(text) => assignment::Answer::Refused(text),
            Answer::Standard | Answer::Ready | Answer::Cancel | Answer::Keep(_) => {
                assignment::Answer::Standard
            }
        }
    }
}

impl Lifecycle for Hostile {
    fn on_event(
        view: &View,
        tx: &Transaction,
        _: &Task,
        _event: String,
        _detail: String,
    ) -> lifecycle::Answer {
        HEARD.store(true, Ordering::Relaxed);
        match act("lifecycle", view, Some(tx)) {
            Answer::Refused(text) => lifecycle::Answer::Refused(text),
            // Wrong for every event but one: the host must notice.
            Answer::Staged => lifecycle::Answer::Review,
            Answer::Keep(time) => lifecycle::Answer::Retry(Some(time)),
            Answer::Standard | Answer::Ready | Answer::Cancel => lifecycle::Answer::Standard,
        }
    }
}

impl Recovery for Hostile {
    fn recover(view: &View, tx: &Transaction, _: &Task, _: recovery::Cause) -> recovery::Answer {
        match act("recovery", view, Some(tx)) {
            Answer::Keep(time) => recovery::Answer::KeepUntil(time),
            Answer::Refused(text) => recovery::Answer::Fail(text),
            Answer::Standard | Answer::Staged | Answer::Ready | Answer::Cancel => {
                recovery::Answer::Standard
            }
        }
    }
}

/// Misbehaves if this is the hook to do it in.
fn act(hook: &str, view: &View, tx: Option<&Transaction>) -> Answer {
    if HOOK.get() != hook {
        return Answer::Standard;
    }
    let target = TARGET.get();
    commit(&MODE.get(), &Given { view, tx, target: &target })
}
