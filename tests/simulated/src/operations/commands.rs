//! What agents and people ask for: each is one entry of the journal, or several.

use taskhost_board::{
    Action, AgentKind, Assignee, ChangeRequest, Finish, Json, ListQuery, NewTask, Proof,
    Store as _, TaskId, TaskUpdate,
};

use super::{Operation, somebody};
use crate::stage::{Desk, Done, Stage, claim_request, far, id, name, new_task, text};

pub(super) const COMMANDS: &[Operation] = &[
    Operation::command("add", |desk| desk.add("new", &["second"]), (37, 312)),
    Operation {
        also: Some(|_, desk| all_or_none(desk, &add_many(desk)?, 8)),
        ..Operation::command("add many at once", |desk| add_many(desk).map(drop), (37, 536))
    },
    Operation {
        also: Some(|_, desk| all_or_none(desk, &add_in_batches(desk)?, 6)),
        ..Operation::command(
            "add many in batches",
            |desk| add_in_batches(desk).map(drop),
            (91, 980),
        )
    },
    Operation {
        also: Some(claim_again),
        ..Operation::command("claim", |desk| desk.claim("late").map(drop).map_err(text), (37, 355))
    },
    Operation {
        // What was told to somebody who changed nothing is kept as well.
        ..Operation::command("look and find nothing", look, (14, 134))
    },
    Operation::command("assign", |desk| change(desk, "second", assign()), (37, 256)),
    Operation::command("heartbeat", heartbeat, (37, 260)),
    Operation::command(
        "complete, and what follows",
        |desk| desk.finish("kin", "kid-2", &Finish::Complete(None)),
        (37, 287),
    ),
    Operation::command(
        "fail",
        |desk| desk.finish("early", "first", &Finish::Fail(Some("why not".into()))),
        (37, 261),
    ),
    Operation::command(
        "release",
        |desk| desk.finish("early", "first", &Finish::Release(None)),
        (37, 261),
    ),
    Operation::command(
        "cancel, and what follows",
        |desk| change(desk, "second", Action::Cancel { cascade: true, reason: None }),
        (37, 292),
    ),
    Operation::command(
        "retry",
        |desk| change(desk, "broken", Action::Retry { cascade: true, reason: None }),
        (37, 257),
    ),
    Operation::command("update", |desk| change(desk, "second", update()), (37, 260)),
    Operation::command(
        "block",
        |desk| change(desk, "second", Action::Block { reason: None, proof: None, force: false }),
        (37, 260),
    ),
    Operation::command("archive", |desk| change(desk, "done", Action::Archive), (37, 296)),
    Operation::command("meta set", set_meta, (37, 256)),
    Operation::command(
        "board settings",
        |desk| {
            let edit = |settings: &mut taskhost_board::BoardSettings| {
                settings.unfenced = true;
                Ok(())
            };
            desk.engine.configure(&edit, somebody().as_ref(), far()).map(drop).map_err(text)
        },
        (37, 256),
    ),
];

pub(super) fn change(desk: &Desk, task: &str, action: Action) -> Done {
    let request = ChangeRequest {
        ids: vec![id(task)],
        action,
        by: somebody(),
        together: true,
        dry_run: false,
    };
    let changed = desk.engine.change(&request, far()).map_err(text)?;
    changed.first_failure().map_or(Ok(()), |(_, error)| Err(text(error)))
}

pub(super) fn assign() -> Action {
    let assignee =
        Assignee { name: name("late"), kind: AgentKind::Agent, hostname: None, by: somebody() };
    Action::Assign(assignee)
}

fn update() -> Action {
    let update = TaskUpdate {
        priority: Some(3),
        data: Json::parse("{\"text\":\"a longer one than before\"}").ok(),
        ..TaskUpdate::default()
    };
    Action::Update(Box::new(update))
}

fn heartbeat(desk: &Desk) -> Done {
    let task = desk.engine.task(&id("first")).map_err(text)?;
    let proof = Proof { agent: name("early"), token: task.claim.map(|claim| claim.token) };
    desk.engine.heartbeat(&id("first"), &proof, Some(90_000), far()).map(drop).map_err(text)
}

fn set_meta(desk: &Desk) -> Done {
    let value = Json::parse("[\"a value\",\"and another\"]").map_err(text)?;
    desk.engine.set_meta(&id("about"), Some(&value), None, None, far()).map_err(text)
}

/// Reads, and asks for what isn't there.
fn look(desk: &Desk) -> Done {
    desk.witnessed.snapshot().map_err(text)?;
    let mut request = claim_request("nobody");
    request.filter.types = vec![name("no-such-type")];
    match desk.claim_as(&request).map_err(text)? {
        None => Ok(()),
        Some((task, _)) => Err(format!("`{task}` was given to somebody who didn't ask for it")),
    }
}

fn keyed(number: usize) -> NewTask {
    let before = number.checked_sub(1).map(|before| format!("many-{before}"));
    let task =
        new_task(&format!("many-{number}"), &before.as_deref().into_iter().collect::<Vec<_>>());
    NewTask { key: Some(format!("many-key-{number}")), ..task }
}

fn add_many(desk: &Desk) -> Result<Vec<TaskId>, String> {
    let tasks: Vec<NewTask> = (0..8).map(keyed).collect();
    let added = desk.engine.add(&tasks, far()).map_err(text)?;
    Ok(added.into_iter().map(|added| added.task.id).collect())
}

/// As a long list is added: bounded, keyed batches, each of which names only what was added before.
fn add_in_batches(desk: &Desk) -> Result<Vec<TaskId>, String> {
    let mut all = Vec::new();
    for batch in [0..2, 2..4, 4..6] {
        let tasks: Vec<NewTask> = batch.map(keyed).collect();
        let added = desk.engine.add(&tasks, far()).map_err(text)?;
        all.extend(added.into_iter().map(|added| added.task.id));
    }
    Ok(all)
}

/// After it was done again, with the same keys, each task is there once.
fn all_or_none(desk: &Desk, added: &[TaskId], count: usize) -> Done {
    let (view, _) = desk.store.snapshot().map_err(text)?;
    let page = view.list(&ListQuery { limit: 10_000, ..ListQuery::default() }).map_err(text)?;
    let many: Vec<_> =
        page.tasks.into_iter().filter(|task| task.id.as_str().starts_with("many-")).collect();
    if many.len() == count && added.len() == count {
        Ok(())
    } else {
        Err(format!("there are {} of the {count} tasks that were added twice", many.len()))
    }
}

/// Whoever claims again with the same key has one task, whatever became of the first answer.
fn claim_again(_: &Stage, desk: &Desk) -> Done {
    let again = desk.claim("late").map_err(text)?;
    let (view, _) = desk.store.snapshot().map_err(text)?;
    let held = view.claims_held(&name("late")).map_err(text)?;
    if again.is_some() && held == 1 {
        Ok(())
    } else {
        Err(format!("a claim that was made again with its key got {again:?}, and {held} are held"))
    }
}
