//! What people do with tasks, against what agents do with them.

use std::sync::Arc;

use taskhost_board::{Action, AgentKind, Assignee, Engine, Error, Store as _};

use super::{Case, add_all, far, id, name, new_task, request, take};
use crate::outcome::Harm;

/// The board's settings change while tasks are claimed.
pub(super) fn settings(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a", "b"]));
    for bytes in [1 << 20, 1 << 21] {
        case.process(move |worker| {
            let edit = |engine: &Engine| {
                let edit = |settings: &mut taskhost_board::BoardSettings| {
                    settings.compact_bytes = Some(bytes);
                    Ok(())
                };
                engine.configure(&edit, None, far())
            };
            let _ = worker.act("config set", edit);
        });
    }
    case.process(|worker| {
        if let Some((task, token)) = worker.claim("x") {
            worker.complete("x", &task, token);
        }
    });
    case.join();
}

/// Somebody takes a task from its holder, who just ends it, while somebody else waits for exactly this task.
pub(super) fn release(case: &Arc<Case>) {
    let held = Arc::new(parking_lot::Mutex::new(None));
    let theirs = held.clone();
    case.prepare(move |engine: &Engine| -> Result<(), Error> {
        add_all(engine, &["a"])?;
        *theirs.lock() = take(engine, &request("x", None, None))?;
        Ok(())
    });
    let Some((task, token)) = held.lock().take() else { return };
    case.process(move |worker| {
        worker.complete("x", &task, token);
    });
    case.process(|worker| {
        worker.change("a", Action::Release { reason: None });
    });
    case.process(|worker| {
        for _ in 0..2 {
            if let Some((task, token)) = worker.claim_only("y", "a") {
                worker.complete("y", &task, token);
                return;
            }
        }
    });
    case.join();
}

/// A task is reserved for somebody while others claim it.
pub(super) fn assign(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a"]));
    case.process(|worker| {
        let assignee =
            Assignee { name: name("y"), kind: AgentKind::Agent, hostname: None, by: None };
        worker.change("a", Action::Assign(assignee));
    });
    for who in ["x", "y"] {
        case.process(move |worker| {
            worker.claim(who);
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    if claims > 1 {
        case.wrong(Harm::Doubled, format!("{claims} were given one task"));
    }
}

/// A task that others wait for is cancelled with them while its holder ends it.
pub(super) fn cancel(case: &Arc<Case>) {
    let held = Arc::new(parking_lot::Mutex::new(None));
    let theirs = held.clone();
    case.prepare(move |engine: &Engine| -> Result<(), Error> {
        add_all(engine, &["a"])?;
        engine.add(&[new_task("b", &["a"]), new_task("c", &["b"])], far())?;
        *theirs.lock() = take(engine, &request("x", None, None))?;
        Ok(())
    });
    let Some((task, token)) = held.lock().take() else { return };
    case.process(move |worker| {
        worker.complete("x", &task, token);
    });
    case.process(|worker| {
        worker.change("a", Action::Cancel { cascade: true, reason: None });
    });
    case.process(|worker| {
        worker.claim("y");
        worker.add("d", &["c"]);
    });
    case.join();
}

/// A finished task is taken off the board while others are added after it.
pub(super) fn archive(case: &Arc<Case>) {
    case.prepare(|engine: &Engine| -> Result<(), Error> {
        add_all(engine, &["a"])?;
        if let Some((task, token)) = take(engine, &request("x", None, None))? {
            let proof = super::proof("x", token);
            engine.finish(&task, &proof, &taskhost_board::Finish::Complete(None), far())?;
        }
        Ok(())
    });
    case.process(|worker| {
        worker.change("a", Action::Archive);
    });
    case.process(|worker| {
        worker.add("b", &["a"]);
        worker.claim("y");
    });
    case.process(|worker| {
        worker.compact();
    });
    case.join();
}

/// Somebody has locked a task by hand, and writes to the board meanwhile; others want it.
pub(super) fn locked(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a"]));
    case.world.tamper("locks/task_a.lock", Some(Vec::new()));
    case.process(|worker| {
        let Ok(held) = worker.store.lock_task(&id("a"), far()) else { return };
        // As whoever locks a task by hand does: a claim that found the lock free may still be under way.
        if worker.store.begin(far()).is_err() {
            return;
        }
        // Nobody is given it meanwhile; who had it before may end their claim.
        let holder = |worker: &super::Worker| {
            let task = worker.act("look", |engine| engine.task(&id("a")));
            task.and_then(|task| task.claim).map(|claim| claim.token)
        };
        let before = holder(worker);
        worker.add("b", &[]);
        let after = holder(worker);
        if after.is_some() && after != before && !worker.is_stopped() {
            let why = format!("a task that is locked by hand was given away with token {after:?}");
            worker.case.wrong(Harm::Doubled, why);
        }
        drop(held);
    });
    case.process(|worker| {
        worker.claim_only("y", "a");
    });
    case.process(|worker| {
        worker.claim("z");
    });
    case.join();
}
