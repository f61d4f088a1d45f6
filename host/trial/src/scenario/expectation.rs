//! What a scenario may expect.

use taskhost_board::{Name, NothingWhy, Status, TaskId};

use super::Malformed;
use super::words::Word;

/// What is to come of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The asker gets this task.
    Task(TaskId),
    /// The asker gets some task.
    Something,
    /// The asker gets none: for this reason, with this text in what the policy said.
    Nothing {
        /// Why, if that is said.
        why: Option<NothingWhy>,
        /// Part of what the policy said.
        text: Option<String>,
    },
    /// The task is in this status afterwards.
    Status(Status),
    /// The policy refuses, with this text in its reason.
    Refused(Option<String>),
    /// taskhost itself refuses, with this text in what it says.
    Error(Option<String>),
    /// Anything but a policy that fails.
    Anything,
}

/// What is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Of a task.
    Task {
        /// Which.
        id: TaskId,
        /// What.
        is: TaskState,
    },
    /// How many claims agents of this name hold.
    Claims {
        /// The agents.
        agent: Name,
        /// How many.
        count: u32,
    },
    /// How many tasks agents of this name have been given since the beginning.
    Given {
        /// The agents.
        agent: Name,
        /// How many, at least and at most.
        between: (u32, u32),
    },
}

/// What is to hold of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Its status.
    Status(Status),
    /// Who holds it.
    Held(Name),
    /// It is ready, with this rank if one is said.
    Ready(Option<i32>),
    /// It waits for these and no others.
    Waiting(Vec<TaskId>),
    /// It will be asked about at a time: so many milliseconds from now, if that is said.
    Until(Option<u64>),
    /// It isn't offered until somebody updates it, with this text in the reason.
    Never(Option<String>),
    /// How long its holder's lease holds from now, in milliseconds.
    Lease(u64),
    /// How often it was claimed.
    Attempts(u32),
    /// Part of why it is in its status.
    Reason(String),
    /// It was taken off the board.
    Gone,
}

/// What stands after `=>`.
pub(super) fn expected(words: &[Word]) -> Result<Expected, Malformed> {
    let (text, words) = match words.split_last() {
        Some((last, before)) if last.quoted => (Some(last.text.clone()), before),
        _ => (None, words),
    };
    let plain: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let expected = match (plain.as_slice(), &text) {
        (["anything"], None) => Expected::Anything,
        (["something"], None) => Expected::Something,
        (["nothing"], _) => Expected::Nothing { why: None, text },
        (["nothing", why], _) => Expected::Nothing { why: Some(nothing_why(why)?), text },
        (["refused"], _) => Expected::Refused(text),
        (["error"], _) => Expected::Error(text),
        ([word], None) => match status(word) {
            Some(status) => Expected::Status(status),
            None => Expected::Task(task(word)?),
        },
        _ => {
            return Err(Malformed::new(
                "after `=>` stands a task's id, `something`, `anything`, `nothing`, `nothing empty|waiting|no_match`, a status, \
                 `refused` or `error`, the last four with a \"text\" behind them if that is to be in what is said",
            ));
        }
    };
    Ok(expected)
}

/// What stands after `expect`.
pub(super) fn state(words: &[Word]) -> Result<State, Malformed> {
    let plain: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let agent = |name: &str| name.parse().map_err(|error| Malformed::new(format!("{error}")));
    match plain.as_slice() {
        ["claims", name, count] => Ok(State::Claims { agent: agent(name)?, count: number(count)? }),
        ["given", name, count] => Ok(State::Given { agent: agent(name)?, between: range(count)? }),
        [id, rest @ ..] if !rest.is_empty() => {
            Ok(State::Task { id: task(id)?, is: of_task(rest)? })
        }
        _ => Err(Malformed::new(
            "after `expect` stands a task and what is to hold of it, `claims AGENT NUMBER` or `given AGENT NUMBER`",
        )),
    }
}

fn of_task(words: &[&str]) -> Result<TaskState, Malformed> {
    let agent = |name: &str| name.parse().map_err(|error| Malformed::new(format!("{error}")));
    if let [word] = words
        && let Some(status) = status(word)
    {
        return Ok(TaskState::Status(status));
    }
    Ok(match words {
        ["held", name] => TaskState::Held(agent(name)?),
        ["ready"] => TaskState::Ready(None),
        ["ready", rank] => TaskState::Ready(Some(number(rank)?)),
        ["waiting", on @ ..] if !on.is_empty() => {
            TaskState::Waiting(on.iter().map(|id| task(id)).collect::<Result<_, _>>()?)
        }
        ["until"] => TaskState::Until(None),
        ["until", after] => TaskState::Until(Some(length_ms(after)?)),
        ["lease", length] => TaskState::Lease(length_ms(length)?),
        ["never"] => TaskState::Never(None),
        ["never", text] => TaskState::Never(Some((*text).to_owned())),
        ["attempts", count] => TaskState::Attempts(number(count)?),
        ["reason", text] => TaskState::Reason((*text).to_owned()),
        ["gone"] => TaskState::Gone,
        _ => {
            return Err(Malformed::new(format!(
                "`{}` is nothing that can be expected of a task: say a status, `held AGENT`, `ready [RANK]`, \
                 `waiting ID…`, `until [TIME]`, `never [TEXT]`, `lease TIME`, `attempts NUMBER`, `reason TEXT` or `gone`",
                words.join(" ")
            )));
        }
    })
}

fn status(word: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.as_str() == word)
}

fn nothing_why(word: &str) -> Result<NothingWhy, Malformed> {
    let all = [NothingWhy::Empty, NothingWhy::Waiting, NothingWhy::NoMatch];
    let found = all.into_iter().find(|why| why.as_str() == word);
    found.ok_or_else(|| {
        Malformed::new(format!(
            "there is nothing because of `empty`, `waiting` or `no_match`, not `{word}`"
        ))
    })
}

fn length_ms(word: &str) -> Result<u64, Malformed> {
    let ms = taskhost_board::quantity::duration(word).map_err(Malformed::new)?.as_millis();
    u64::try_from(ms).map_err(|_| Malformed::new(format!("`{word}` is too long")))
}

fn task(word: &str) -> Result<TaskId, Malformed> {
    word.parse().map_err(|error| Malformed::new(format!("{error}")))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Malformed> {
    word.parse().map_err(|_| Malformed::new(format!("`{word}` isn't a number that can be here")))
}

/// `5`, or `4..6`.
fn range(word: &str) -> Result<(u32, u32), Malformed> {
    match word.split_once("..") {
        Some((least, most)) => Ok((number(least)?, number(most)?)),
        None => number(word).map(|count| (count, count)),
    }
}
