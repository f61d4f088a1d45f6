//! What a hook's answer means. The standard policy has the last word, so it never answers `standard`.

use taskhost_board::{
    Choice, Classified, Event, Millis, Readiness, Rescue, TaskId, Transaction, Verdict,
};
use taskhost_sdk::{assignment, lifecycle, readiness, recovery};

const STANDARD: &str = "it is the standard policy, and answered `standard`: it must decide";

/// The answer of a hook that is about a task.
pub(super) fn of_task<T>(answer: Option<T>) -> Result<T, String> {
    answer.ok_or_else(|| "the task that it was asked about is gone".into())
}

pub(super) fn readiness(answer: readiness::Answer) -> Result<Classified, String> {
    use readiness::Answer;
    Ok(Classified::Is(match answer {
        Answer::Standard => return Err(STANDARD.into()),
        Answer::Cancel(reason) => return Ok(Classified::Cancel(reason)),
        Answer::Ready(rank) => Readiness::Ready(rank),
        Answer::Waiting(wait) => {
            let on = wait.on.into_iter().map(TaskId::new).collect::<Result<_, _>>();
            Readiness::Waiting { on: on.map_err(|error| error.to_string())?, why: wait.why }
        }
        Answer::Until(time) => Readiness::Until(Millis(time)),
        Answer::Never(reason) => Readiness::Never(reason),
    }))
}

pub(super) fn assignment(answer: assignment::Answer, tx: &Transaction) -> Result<Choice, String> {
    use assignment::Answer;
    match (answer, tx.claimed()) {
        (Answer::Staged, Some(_)) => Ok(Choice::Staged),
        (Answer::Nothing(reason), None) => Ok(Choice::Nothing(reason)),
        (Answer::Refused(reason), None) => Ok(Choice::Refused(reason)),
        (Answer::Standard, _) => Err(STANDARD.into()),
        (Answer::Staged, None) => Err("it answered `staged`, but staged no claim".into()),
        (Answer::Nothing(_) | Answer::Refused(_), Some(id)) => {
            Err(format!("it staged a claim of `{id}`, but didn't answer `staged`"))
        }
    }
}

pub(super) fn lifecycle(answer: lifecycle::Answer, event: Event) -> Result<Verdict, String> {
    use lifecycle::Answer;
    match (answer, event) {
        (Answer::Accept, _) => Ok(Verdict::Accept),
        (Answer::Refused(reason), _) => Ok(Verdict::Refused(reason)),
        (Answer::Review, Event::Completed) => Ok(Verdict::Review),
        (Answer::Retry(time), Event::Failed) => Ok(Verdict::Retry(time.map(Millis))),
        (Answer::Standard, _) => Err(STANDARD.into()),
        (Answer::Review | Answer::Retry(_), event) => {
            Err(format!("`{}` can't be answered so", event.as_str()))
        }
    }
}

pub(super) fn recovery(answer: recovery::Answer) -> Result<Rescue, String> {
    use recovery::Answer;
    match answer {
        Answer::Release => Ok(Rescue::Release),
        Answer::KeepUntil(time) => Ok(Rescue::KeepUntil(Millis(time))),
        Answer::Fail(reason) => Ok(Rescue::Fail(reason)),
        Answer::Standard => Err(STANDARD.into()),
    }
}
