//! What a hook's answer means, and which answers can't be meant.
//!
//! Each function gives nothing for `standard`, and a sentence for an answer that the board could not act on:
//! a policy that says what isn't so is told, not guessed at.

use taskhost_board::{
    Choice, Classified, Event, Millis, Readiness, Rescue, TaskId, Transaction, Verdict,
};

use crate::bindings::exports::taskhost::policy::{assignment, lifecycle, readiness, recovery};
use crate::log::truncated;

/// The most tasks that one waits on.
const WAITS_MAX: usize = 64;
/// The longest reason that is kept, in bytes. A policy often passes on a text that it was given, so a longer
/// one is cut rather than refused.
const WHY_BYTES_MAX: usize = 4096;
/// A claim is kept with its holder for at least this long.
const KEEP_MS_MIN: u64 = 1000;
/// And for at most this long.
const KEEP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

pub(crate) fn readiness(answer: readiness::Answer) -> Result<Option<Classified>, String> {
    use readiness::Answer;
    Ok(Some(Classified::Is(match answer {
        Answer::Standard => return Ok(None),
        Answer::Cancel(reason) => return Ok(Some(Classified::Cancel(why(reason)))),
        Answer::Ready(rank) => Readiness::Ready(rank),
        Answer::Waiting(wait) => {
            Readiness::Waiting { on: waited_on(wait.on)?, why: wait.why.map(why) }
        }
        Answer::Until(time) => Readiness::Until(Millis(time)),
        Answer::Never(reason) => Readiness::Never(why(reason)),
    })))
}

fn waited_on(on: Vec<String>) -> Result<Vec<TaskId>, String> {
    if on.is_empty() {
        return Err("it answered `waiting` on no task: nothing would ever ask it again".into());
    }
    if on.len() > WAITS_MAX {
        return Err(format!(
            "it answered `waiting` on {} tasks: {WAITS_MAX} is the most, and any of them will do",
            on.len()
        ));
    }
    on.into_iter()
        .map(|id| TaskId::new(id).map_err(|error| format!("it answered `waiting`, but {error}")))
        .collect()
}

pub(crate) fn assignment(
    answer: assignment::Answer,
    tx: &Transaction,
) -> Result<Option<Choice>, String> {
    use assignment::Answer;
    match (answer, tx.claimed()) {
        (Answer::Standard, None) => Ok(None),
        (Answer::Staged, Some(_)) => Ok(Some(Choice::Staged)),
        (Answer::Nothing(reason), None) => Ok(Some(Choice::Nothing(reason.map(why)))),
        (Answer::Refused(reason), None) => Ok(Some(Choice::Refused(why(reason)))),
        (Answer::Staged, None) => Err("it answered `staged`, but staged no claim".into()),
        (Answer::Standard | Answer::Nothing(_) | Answer::Refused(_), Some(id)) => {
            Err(format!("it staged a claim of `{id}`, but didn't answer `staged`"))
        }
    }
}

pub(crate) fn lifecycle(
    answer: lifecycle::Answer,
    event: Event,
) -> Result<Option<Verdict>, String> {
    use lifecycle::Answer;
    match (answer, event) {
        (Answer::Standard, _) => Ok(None),
        (Answer::Accept, _) => Ok(Some(Verdict::Accept)),
        (Answer::Refused(reason), _) => Ok(Some(Verdict::Refused(why(reason)))),
        (Answer::Review, Event::Completed) => Ok(Some(Verdict::Review)),
        (Answer::Retry(time), Event::Failed) => Ok(Some(Verdict::Retry(time.map(Millis)))),
        (Answer::Review, event) => Err(format!(
            "it answered `review` to `{}`: only `completed` can be reviewed",
            event.as_str()
        )),
        (Answer::Retry(_), event) => Err(format!(
            "it answered `retry` to `{}`: only `failed` can be retried",
            event.as_str()
        )),
    }
}

pub(crate) fn recovery(answer: recovery::Answer, now: Millis) -> Result<Option<Rescue>, String> {
    use recovery::Answer;
    match answer {
        Answer::Standard => Ok(None),
        Answer::Release => Ok(Some(Rescue::Release)),
        Answer::Fail(reason) => Ok(Some(Rescue::Fail(why(reason)))),
        Answer::KeepUntil(time) => {
            let (first, last) = (now.plus(KEEP_MS_MIN), now.plus(KEEP_MS_MAX));
            if (first..=last).contains(&Millis(time)) {
                Ok(Some(Rescue::KeepUntil(Millis(time))))
            } else {
                Err(format!(
                    "it answered `keep-until` {time}: that is from one second to 30 days ahead, \
                     {} to {} now",
                    first.0, last.0
                ))
            }
        }
    }
}

fn why(mut text: String) -> String {
    text.truncate(truncated(&text, WHY_BYTES_MAX).len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_names_one_to_64_tasks() {
        let waiting = |on: Vec<String>| {
            readiness(readiness::Answer::Waiting(readiness::Wait { on, why: None }))
        };
        assert!(waiting(vec![]).is_err());
        assert!(waiting(vec!["a".into(); 65]).is_err());
        assert!(waiting(vec!["a".into(), "../b".into()]).is_err());
        assert!(waiting(vec!["a".into(); 64]).is_ok());
    }

    #[test]
    fn claim_is_kept_from_a_second_to_30_days() {
        let keep = |ms| recovery(recovery::Answer::KeepUntil(5000 + ms), Millis(5000)).is_ok();
        assert_eq!([999, 1000, KEEP_MS_MAX, KEEP_MS_MAX + 1].map(keep), [false, true, true, false]);
    }

    #[test]
    fn review_and_retry_answer_one_event_each() {
        assert!(lifecycle(lifecycle::Answer::Review, Event::Completed).is_ok());
        assert!(lifecycle(lifecycle::Answer::Review, Event::Failed).is_err());
        assert!(lifecycle(lifecycle::Answer::Retry(None), Event::Failed).is_ok());
        assert!(lifecycle(lifecycle::Answer::Retry(None), Event::Completed).is_err());
    }

    #[test]
    fn long_reason_is_cut_between_characters() {
        assert_eq!(why("é".repeat(3000)).len(), WHY_BYTES_MAX);
        assert_eq!(why(format!("x{}", "é".repeat(3000))).len(), WHY_BYTES_MAX - 1);
    }
}
