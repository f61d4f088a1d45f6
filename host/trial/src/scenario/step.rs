//! What may happen in a scenario.

use std::str::FromStr;
use std::time::Duration;

use taskhost_board::{
    Action, AgentKind, Assignee, Filter, Finish, Json, Name, NewTask, SessionId, TaskId, TaskUpdate,
};

use super::arguments::Arguments;
use super::expectation::State;
use super::words::Word;
use super::{Malformed, expectation};

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// Tasks are added together: one, or as many as `--count` says.
    Add {
        /// The tasks.
        tasks: Vec<NewTask>,
        /// How long they rest before they may be claimed, if they do.
        rest: Option<Duration>,
    },
    /// An agent asks for work.
    Claim(Asking),
    /// Whoever holds a task extends its lease.
    Heartbeat {
        /// Which task.
        of: Target,
    },
    /// Whoever holds a task ends its claim.
    Finish {
        /// Which task.
        of: Target,
        /// How.
        how: Finish,
    },
    /// Somebody changes tasks that they don't hold.
    Change {
        /// Which tasks.
        ids: Vec<TaskId>,
        /// How.
        action: Box<Action>,
    },
    /// Somebody asks why a task can't be claimed, or why an agent can't claim it.
    Explain {
        /// The task.
        id: TaskId,
        /// The agent, if it is about one.
        asker: Option<Name>,
    },
    /// Time passes.
    Wait(Duration),
    /// All sessions of an agent die.
    Die(Name),
    /// A setting of the policy is changed on the live board.
    Set(Vec<(String, String)>),
    /// Nothing happens, but this must hold.
    Expect(State),
}

/// The task that a step of its holder is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Task(TaskId),
    /// The one that this agent was given last and still holds; without one, nothing happens.
    HeldBy(Name),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(agent) => agent.parse().map(Self::HeldBy).map_err(|error| format!("{error}")),
            None => text.parse().map(Self::Task).map_err(|error| format!("{error}")),
        }
    }
}

/// An agent asks for work.
#[derive(Debug, Clone)]
pub struct Asking {
    /// Its name.
    pub name: Name,
    /// Its session; the only one of its name if none is said.
    pub session: SessionId,
    /// What kind of worker it is.
    pub kind: AgentKind,
    /// For what it asks.
    pub filter: Filter,
    /// With which lease.
    pub lease: Option<Duration>,
}

/// The most tasks that one `add` makes.
const COUNT_MAX: u32 = 10_000;

impl Step {
    pub(super) fn parse(name: &str, words: &[Word]) -> Result<Self, Malformed> {
        if name == "expect" {
            return expectation::state(words).map(Self::Expect);
        }
        let mut arguments = Arguments::of(words)?;
        let step = match name {
            "add" => add(&mut arguments)?,
            "claim" => Self::Claim(asking(&mut arguments)?),
            "heartbeat" => Self::Heartbeat { of: arguments.next("the task")? },
            "complete" => {
                let result = arguments.with("result", json)?;
                Self::Finish { of: arguments.next("the task")?, how: Finish::Complete(result) }
            }
            "fail" => {
                let error = arguments.one("error")?;
                Self::Finish { of: arguments.next("the task")?, how: Finish::Fail(error) }
            }
            "release" if !arguments.flag("force") => {
                let reason = arguments.one("reason")?;
                Self::Finish { of: arguments.next("the task")?, how: Finish::Release(reason) }
            }
            "wait" => {
                let text: String = arguments.next("how long")?;
                Self::Wait(duration(&text).map_err(Malformed::new)?)
            }
            "explain" => {
                Self::Explain { id: arguments.next("the task")?, asker: arguments.maybe()? }
            }
            "die" => Self::Die(arguments.next("the agent")?),
            "set" => Self::Set(settings(&mut arguments)?),
            _ => change(name, &mut arguments)?,
        };
        arguments.end(name)?;
        Ok(step)
    }
}

/// `NAME=VALUE`, as often as there are.
pub(super) fn settings(arguments: &mut Arguments) -> Result<Vec<(String, String)>, Malformed> {
    let pairs = arguments.rest().into_iter().map(|word| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Malformed::new(format!("`{word}` isn't `NAME=VALUE`"))),
    });
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    if pairs.is_empty() { Err(Malformed::new("`NAME=VALUE` is missing")) } else { Ok(pairs) }
}

fn duration(text: &str) -> Result<Duration, String> {
    taskhost_board::quantity::duration(text)
}

fn json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| error.to_string())
}

fn add(arguments: &mut Arguments) -> Result<Step, Malformed> {
    let id: TaskId = arguments.next("the task's id")?;
    let task_type = arguments.one("type")?.map_or_else(default_type, Ok)?;
    let assignee: Option<Name> = arguments.one("assignee")?;
    let task = NewTask {
        parent: arguments.one("parent")?,
        after: arguments.all("after")?,
        priority: arguments.one("priority")?.unwrap_or_default(),
        labels: arguments.all("label")?,
        needs: arguments.all("needs")?,
        assignee: assignee.map(reserved_for),
        data: arguments.with("data", json)?.unwrap_or_default(),
        ..NewTask::new(task_type)
    };
    let rest = arguments.with("not-before", duration)?;
    let count: Option<u32> = arguments.one("count")?;
    let ids = match count {
        None => vec![id],
        Some(count) if count <= COUNT_MAX => (1..=count)
            .map(|number| TaskId::new(format!("{id}-{number}")))
            .collect::<Result<_, _>>()
            .map_err(|error| Malformed::new(error.to_string()))?,
        Some(_) => return Err(Malformed::new(format!("`--count` is at most {COUNT_MAX}"))),
    };
    let tasks = ids.into_iter().map(|id| NewTask { id: Some(id), ..task.clone() });
    Ok(Step::Add { tasks: tasks.collect(), rest })
}

fn default_type() -> Result<Name, Malformed> {
    Name::new("task").map_err(|error| Malformed::new(error.to_string()))
}

fn reserved_for(name: Name) -> Assignee {
    Assignee { name, kind: AgentKind::Agent, hostname: None, by: None }
}

fn asking(arguments: &mut Arguments) -> Result<Asking, Malformed> {
    let name: Name = arguments.next("the agent")?;
    let own = || SessionId::new(name.as_str()).map_err(|error| Malformed::new(error.to_string()));
    Ok(Asking {
        session: arguments.one("session")?.map_or_else(own, Ok)?,
        kind: arguments.with("kind", kind)?.unwrap_or_default(),
        filter: Filter {
            types: arguments.all("type")?,
            labels: arguments.all("label")?,
            capabilities: arguments.all("capability")?,
            only: arguments.one("task")?,
        },
        lease: arguments.with("lease", duration)?,
        name,
    })
}

fn kind(text: &str) -> Result<AgentKind, String> {
    let kinds = [AgentKind::Agent, AgentKind::Host, AgentKind::Human];
    let found = kinds.into_iter().find(|kind| taskhost_wire::kind(*kind) == text);
    found.ok_or_else(|| "an agent is an `agent`, a `host` or a `human`".to_owned())
}

/// What people do with tasks that they don't hold.
fn change(name: &str, arguments: &mut Arguments) -> Result<Step, Malformed> {
    let reason = arguments.one("reason")?;
    let action = match name {
        "assign" => {
            let to: Option<Name> = arguments.one("to")?;
            Action::Assign(reserved_for(to.ok_or_else(|| Malformed::new("`--to` is missing"))?))
        }
        "unassign" => Action::Unassign(None),
        "update" => Action::Update(Box::new(TaskUpdate {
            priority: arguments.one("priority")?,
            add_labels: arguments.all("add-label")?,
            remove_labels: arguments.all("remove-label")?,
            data: arguments.with("data", json)?,
            ..TaskUpdate::default()
        })),
        "cancel" => Action::Cancel { cascade: arguments.flag("cascade"), reason },
        "retry" => Action::Retry { cascade: arguments.flag("cascade"), reason },
        "block" => Action::Block { reason, proof: None, force: arguments.flag("force") },
        "unblock" => Action::Unblock { reason },
        // Without `--force` it is its holder's, and was read before.
        "release" => Action::Release { reason },
        "review" => match (arguments.flag("accept"), arguments.flag("return")) {
            (true, false) => Action::Review { accept: true, reason },
            (false, true) => Action::Review { accept: false, reason },
            _ => return Err(Malformed::new("`review` takes `--accept` or `--return`")),
        },
        "archive" => Action::Archive,
        _ => {
            return Err(Malformed::new(format!(
                "`{name}` is no step: there are {}",
                STEPS.map(|step| format!("`{step}`")).join(", ")
            )));
        }
    };
    let ids: Vec<TaskId> = arguments
        .rest()
        .iter()
        .map(|id| id.parse().map_err(|error| Malformed::new(format!("{error}"))))
        .collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Err(Malformed::new("the task is missing"));
    }
    Ok(Step::Change { ids, action: Box::new(action) })
}

/// Every step there is, and what isn't one by itself.
pub(super) const STEPS: [&str; 24] = [
    "add",
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "release",
    "assign",
    "unassign",
    "update",
    "cancel",
    "retry",
    "block",
    "unblock",
    "review",
    "archive",
    "explain",
    "wait",
    "die",
    "set",
    "expect",
    "policy",
    "standard",
    "repeat",
    "end",
];
