//! A board's task in a system's shape, and what must be remembered of a task so that it gets its own shape back.
//!
//! A field is written as the board has it, by [`written`]. Where that isn't what the task came with, what it came with is
//! remembered beside a [`mark`] of what the board had then; as long as the board's mark is the same, the field is written
//! as it was. So nothing has to be undone that was done when the task was read, and nothing is written that isn't true
//! any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use taskhost_board::{AgentKind, Json, Millis, Status, Task, TaskId};

use crate::aside::{Aside, put_aside};
use crate::dialect::{Blank, Dialect, Role, Rule, is_filled};
use crate::{Format, IMPORTED, Remark, times, words};

/// The sessions of claims that were taken elsewhere begin so.
pub(crate) const SESSION: &str = "imported-";

/// By which ids tasks are known in the system that they are written for, where those are others.
pub(crate) type Links = BTreeMap<TaskId, Value>;

/// A task in a system's shape, with what is needed to put it in its place.
pub(crate) struct Shaped {
    pub(crate) id: TaskId,
    pub(crate) status: Status,
    /// The file it came from, with its directory if it stands where it stood then: as the data has it, so it may be
    /// anything.
    pub(crate) file: Option<String>,
    pub(crate) object: Map<String, Value>,
    /// What it says of its own id where its place says it already.
    pub(crate) inner_id: Option<Value>,
    pub(crate) remarks: Vec<Remark>,
}

/// What a field of this part says of a task; `None` for nothing.
pub(crate) fn written(dialect: &Dialect, role: Role, task: &Task, links: &Links) -> Option<Value> {
    let time = |at: Millis| times::write(at, dialect.time);
    let list = |items: Vec<Value>| {
        let list = Value::Array(items);
        if dialect.lists_as_text { Value::String(list.to_string()) } else { list }
    };
    let link = |id: &TaskId| links.get(id).cloned().unwrap_or_else(|| id.as_str().into());
    let names = |names: &[taskhost_board::Name]| {
        let names: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
        (!names.is_empty()).then(|| list(names))
    };
    match role {
        Role::Id => Some(task.id.as_str().into()),
        Role::Type => {
            let usual = dialect.format != Format::TaskManager
                && task.task_type.as_str() == dialect.default_type;
            (!usual).then(|| task.task_type.as_str().into())
        }
        Role::Status => Some(dialect.word(task.status).into()),
        Role::Parent => task.parent.as_ref().map(link),
        Role::After => {
            (!task.after.is_empty()).then(|| list(task.after.iter().map(link).collect()))
        }
        Role::Priority => match words::priority_word(task.priority) {
            _ if task.priority == 0 => None,
            Some(word) if dialect.priority_words => Some(word.into()),
            _ => Some(task.priority.into()),
        },
        Role::Labels => names(&task.labels),
        Role::Needs => names(&task.needs),
        Role::Assignee => person(dialect, task),
        Role::Holder => task.claim.as_ref().map(|claim| claim.agent.as_str().into()),
        Role::Worker => {
            let holder = task.claim.as_ref().map(|claim| &claim.agent);
            let reserved = task.assignee.as_ref().map(|assignee| &assignee.name);
            holder.or(reserved).map(|name| name.as_str().into())
        }
        Role::Since => task.claim.as_ref().map(|claim| time(claim.since)),
        Role::CreatedAt => Some(time(task.created_at)),
        Role::UpdatedAt => Some(time(task.updated_at)),
        Role::CompletedAt => task.completed_at.map(time),
        Role::Result => match (&task.result, &task.error) {
            (Some(result), _) => Some(value_of(result)),
            (None, Some(error)) if !dialect.has(Role::Error) && task.status == Status::Failed => {
                Some(json!({ "error": error }))
            }
            (None, _) => None,
        },
        Role::Error => task.error.as_ref().map(|error| error.as_str().into()),
        Role::Data => Some(match value_of(&task.data) {
            Value::Null => json!({}),
            Value::Object(mut object) => {
                object.remove(IMPORTED);
                Value::Object(object)
            }
            other => other,
        }),
    }
}

/// For whom a task is reserved. A system that says nowhere else who has a task in progress says it here, since whoever
/// looks for work there goes by it.
fn person(dialect: &Dialect, task: &Task) -> Option<Value> {
    let reserved = task.assignee.as_ref();
    let (name, kind, hostname, by) = match task.claim.as_ref().filter(|_| !dialect.has_holder()) {
        Some(claim) => {
            let by = reserved.filter(|_| !is_displaced(task)).and_then(|own| own.by.as_ref());
            (&claim.agent, claim.kind, claim.hostname.as_ref(), by)
        }
        None => {
            let own = reserved?;
            (&own.name, own.kind, own.hostname.as_ref(), own.by.as_ref())
        }
    };
    let kind = match kind {
        AgentKind::Agent => "agent",
        AgentKind::Host => "host",
        AgentKind::Human => "human",
    };
    let mut object = json!({ "name": name, "type": kind });
    if let Some(hostname) = hostname {
        object["hostname"] = hostname.as_str().into();
    }
    if let Some(by) = by {
        object["assigned_by"] = by.as_str().into();
    }
    Some(object)
}

/// Whether somebody else holds a task than the one it is reserved for.
fn is_displaced(task: &Task) -> bool {
    task.claim.as_ref().zip(task.assignee.as_ref()).is_some_and(|(claim, own)| {
        own.name != claim.agent
            || own.kind != claim.kind
            || (own.hostname.is_some() && own.hostname != claim.hostname)
    })
}

/// Stands for what a board has that a field of this part says; `None` if nothing that was said before can still be true.
pub(crate) fn mark(dialect: &Dialect, role: Role, task: &Task) -> Option<Value> {
    let unlinked = Links::new();
    let plain = || written(dialect, role, task, &unlinked).unwrap_or(Value::Null);
    Some(match role {
        Role::CreatedAt => task.created_at.0.into(),
        Role::UpdatedAt if is_claimed_as_it_came(task) => Value::from("claimed"),
        Role::UpdatedAt => task.updated_at.0.into(),
        // A task whose claim has ended here is another matter, even if it stands where it stood.
        Role::Status | Role::Holder | Role::Worker if task.closed.is_none() => {
            json!([task.status.as_str(), plain()])
        }
        Role::Since if task.closed.is_none() => {
            json!([task.status.as_str(), task.claim.as_ref().map(|claim| claim.since.0)])
        }
        Role::CompletedAt if task.closed.is_none() => {
            json!([task.status.as_str(), task.completed_at.map(|at| at.0)])
        }
        Role::Status | Role::Holder | Role::Worker | Role::Since | Role::CompletedAt => {
            return None;
        }
        Role::Id
        | Role::Type
        | Role::Parent
        | Role::After
        | Role::Priority
        | Role::Labels
        | Role::Needs
        | Role::Assignee
        | Role::Result
        | Role::Error
        | Role::Data => plain(),
    })
}

/// Whether a task is claimed since it was adopted, and its claim was never renewed. Adopting it changed it last.
fn is_claimed_as_it_came(task: &Task) -> bool {
    task.closed.is_none()
        && task.claim.as_ref().is_some_and(|claim| {
            let full = claim.since.plus(claim.lease_ms);
            let (until, adopted) = (claim.lease.until, task.updated_at);
            let is_late = adopted >= full && until == adopted.plus(1);
            let is_early = claim.since > adopted && until == adopted.plus(claim.lease_ms);
            claim.session.as_str().starts_with(SESSION) && (until == full || is_late || is_early)
        })
}

fn value_of(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or(Value::Null)
}

/// Says that there is nothing, if the system says so.
pub(crate) fn or_blank(rule: &Rule, value: Option<Value>) -> Option<Value> {
    value.or(match rule.blank {
        Blank::Absent => None,
        Blank::Null => Some(Value::Null),
    })
}

pub(crate) fn has_content(object: &Map<String, Value>) -> bool {
    ["content", "title", "name"].iter().any(|name| object.contains_key(*name))
}

/// The task in a system's shape.
pub(crate) fn shape(dialect: &Dialect, task: &Task, links: &Links) -> Map<String, Value> {
    let (mut object, aside) = shape_apart(dialect, task, links);
    put_aside(&mut object, aside.into_iter().map(|aside| (aside.key, aside.value)).collect());
    object
}

/// The task in a system's shape, and what can't stand in that under its own name.
fn shape_apart(dialect: &Dialect, task: &Task, links: &Links) -> (Map<String, Value>, Aside) {
    let (own, imported) = split(&task.data);
    let mut object = match imported.as_ref().and_then(|imported| imported.get("fields")) {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    // What a field was in one system says nothing of what it would be in another.
    let imported = imported.filter(|imported| is_of(dialect, imported));
    let mut aside = Aside::default();
    if imported.is_none() {
        aside.take_facts(dialect, &mut object, "");
    } else if dialect.has(Role::Data) {
        // Where the place of a task says its id, what it says itself has been taken in already.
        object.remove("id");
    }
    if !dialect.has(Role::Data) {
        match own {
            Value::Object(mut own) => {
                if imported.is_none() {
                    aside.take_facts(dialect, &mut own, "data.");
                }
                for (key, value) in own {
                    if let Some(hidden) = object.insert(key.clone(), value) {
                        aside.add(&key, &key, hidden, None);
                    }
                }
            }
            Value::Null => {}
            other => {
                if let Some(hidden) = object.insert("data".into(), other) {
                    aside.add("data", "data", hidden, None);
                }
            }
        }
        if dialect.format == Format::Todo2 && imported.is_none() && !has_content(&object) {
            object.insert("content".into(), task.id.as_str().into());
        }
    }
    for rule in dialect.rules {
        let memo = imported.as_ref().and_then(|imported| imported.get(rule.name()));
        let part = |part: &str| memo.and_then(|memo| memo.get(part));
        let name = part("as").and_then(Value::as_str).unwrap_or(rule.name());
        let is_as_it_was =
            part("is").is_some_and(|is| Some(is) == mark(dialect, rule.role, task).as_ref());
        let value = if is_as_it_was {
            part("was").cloned()
        } else {
            or_blank(rule, written(dialect, rule.role, task, links))
        };
        let hidden = match value {
            Some(value) => object.insert(name.to_owned(), value),
            None => object.remove(name),
        };
        if let Some(hidden) = hidden {
            aside.add(&format!("data.{name}"), name, hidden, Some(rule));
        }
        // Another name of this field would be read in its place, and bring back what isn't so any more.
        while let Some(key) = dialect.key(rule, &object).filter(|key| *key != name)
            && object.get(key).is_some_and(is_filled)
        {
            let key = key.to_owned();
            let Some(hidden) = object.remove(&key) else { break };
            aside.add(&format!("data.{key}"), &key, hidden, Some(rule));
        }
    }
    (object, aside)
}

/// The tasks in a system's shape and order, naming each other as they are known there, with remarks on what it has no
/// like of.
pub(crate) fn shape_all(dialect: &Dialect, tasks: &[Task]) -> Vec<Shaped> {
    let mut links = Links::new();
    for task in tasks {
        let id = shape(dialect, task, &Links::new());
        let key = dialect.rule(Role::Id).and_then(|rule| dialect.key(rule, &id));
        let known = key.and_then(|key| id.get(key));
        links.extend(
            known
                .filter(|known| **known != task.id.as_str())
                .map(|id| (task.id.clone(), id.clone())),
        );
    }
    let shaped = |task: &Task| Shaped {
        id: task.id.clone(),
        status: task.status,
        file: file_of(dialect, task),
        object: shape(dialect, task, &links),
        inner_id: inner_id(dialect, task),
        remarks: without_place(dialect, task),
    };
    in_places(dialect, tasks).into_iter().map(shaped).collect()
}

/// The tasks in their order, except that those that remember their places in a list stand in theirs among each other.
fn in_places<'a>(dialect: &Dialect, tasks: &'a [Task]) -> Vec<&'a Task> {
    let mut ordered: Vec<&Task> = tasks.iter().collect();
    let place = |task: &Task| {
        let imported = split(&task.data).1.filter(|imported| is_of(dialect, imported))?;
        imported.get("place")?.as_u64()
    };
    let moved = tasks.iter().enumerate();
    let moved = moved.filter_map(|(at, task)| Some((at, place(task)?, task)));
    let moved: Vec<(usize, u64, &Task)> = moved.collect();
    let mut by_place: Vec<(u64, &Task)> =
        moved.iter().map(|(_, place, task)| (*place, *task)).collect();
    by_place.sort_by_key(|(place, _)| *place);
    for ((at, ..), (_, task)) in moved.iter().zip(by_place) {
        ordered[*at] = task;
    }
    ordered
}

fn is_of(dialect: &Dialect, imported: &Map<String, Value>) -> bool {
    imported.get("format").and_then(Value::as_str) == Some(dialect.format.as_str())
}

fn file_of(dialect: &Dialect, task: &Task) -> Option<String> {
    let imported = split(&task.data).1.filter(|imported| is_of(dialect, imported))?;
    let memo = imported.get("file")?;
    let was = memo.get("was")?.as_str()?;
    let is_as_it_was =
        memo.get("is").is_some_and(|is| Some(is) == mark(dialect, Role::Status, task).as_ref());
    let name = || was.rsplit_once('/').map_or(was, |(_, name)| name);
    Some(if is_as_it_was { was } else { name() }.to_owned())
}

fn inner_id(dialect: &Dialect, task: &Task) -> Option<Value> {
    let imported = split(&task.data).1.filter(|imported| is_of(dialect, imported))?;
    Some(imported.get("fields")?.get("id")?.clone())
}

/// What of a task a system has no place for.
fn without_place(dialect: &Dialect, task: &Task) -> Vec<Remark> {
    let lost = [
        ("after", Role::After, !task.after.is_empty()),
        ("parent", Role::Parent, task.parent.is_some()),
        ("priority", Role::Priority, task.priority != 0),
        ("labels", Role::Labels, !task.labels.is_empty()),
        ("needs", Role::Needs, !task.needs.is_empty()),
    ];
    let lost = lost.into_iter().filter(|(_, role, has)| *has && !dialect.has(*role));
    let mut fields: BTreeSet<&str> = lost.map(|(field, ..)| field).collect();
    let keeps_assignee = dialect.has(Role::Assignee) || dialect.has(Role::Worker);
    fields.extend((task.assignee.is_some() && !keeps_assignee).then_some("assignee"));
    fields.extend(task.not_before.map(|_| "not_before"));
    let remark = |field: &str, why: String| Remark {
        task: Some(task.id.to_string()),
        field: field.to_owned(),
        why,
    };
    let mut remarks: Vec<Remark> = fields
        .into_iter()
        .map(|field| {
            remark(field, format!("`{}` has no place for it, so it is left out", dialect.format))
        })
        .collect();
    // Where one field says both, the holder comes first.
    let says_both = dialect.has(Role::Worker) || !dialect.has_holder();
    if says_both
        && is_displaced(task)
        && let (Some(claim), Some(own)) = (&task.claim, &task.assignee)
    {
        let (holder, reserved) = (&claim.agent, &own.name);
        let why = format!(
            "`{}` has one place for who holds it, `{holder}`, and for whom it is reserved, `{reserved}`: it says the holder",
            dialect.format
        );
        remarks.push(remark("assignee", why));
    }
    let odd = dialect.format == Format::TaskManager
        && matches!(task.status, Status::InReview | Status::Blocked);
    if odd {
        remarks.push(remark(
            "status",
            format!("`{}` isn't a status that `task-manager` knows", task.status),
        ));
    }
    let hidden = shape_apart(dialect, task, &Links::new()).1;
    remarks.extend(hidden.into_iter().map(|hidden| remark(&hidden.field, hidden.why(dialect))));
    remarks
}

/// A task's data, and what is remembered in it.
fn split(data: &Json) -> (Value, Option<Map<String, Value>>) {
    match value_of(data) {
        Value::Object(mut own) => match own.remove(IMPORTED) {
            Some(Value::Object(imported)) => (Value::Object(own), Some(imported)),
            Some(other) => {
                own.insert(IMPORTED.into(), other);
                (Value::Object(own), None)
            }
            None => (Value::Object(own), None),
        },
        other => (other, None),
    }
}
