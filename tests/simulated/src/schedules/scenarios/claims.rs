//! Claims against claims.

use std::sync::Arc;
use std::time::Duration;

use taskhost_board::{Engine, Error, Finish, Store as _};

use super::{Case, Worker, add_all, far, id, request, take};
use crate::outcome::Harm;

/// Who wins, if nothing happens besides: exactly one.
fn one_winner(case: &Case, winners: u64, of: u64) {
    if winners > of || (case.is_calm() && winners < of) {
        case.wrong(Harm::Doubled, format!("{winners} were given one of {of} tasks"));
    }
}

/// Two claim the only task, and a third one takes what it can get.
pub(super) fn one_task(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a"]));
    for who in ["x", "y", "z"] {
        case.process(move |worker| {
            worker.claim_of(who, 1);
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    one_winner(case, claims, 1);
}

/// Three work until nothing is left.
pub(super) fn many_tasks(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a", "b", "c", "d", "e"]));
    for who in ["x", "y", "z"] {
        case.process(move |worker| {
            while let Some((task, token)) = worker.claim_of(who, 5) {
                worker.complete(who, &task, token);
            }
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    one_winner(case, claims, 5);
}

/// Two agents of one name: the token tells them apart.
pub(super) fn one_name(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a", "b"]));
    for _ in 0..3 {
        case.process(|worker| {
            if let Some((task, token)) = worker.claim("x") {
                worker.heartbeat("x", &task, token);
                worker.complete("x", &task, token);
            }
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    one_winner(case, claims, 2);
}

/// One waits for work, which two others bring.
pub(super) fn waiter(case: &Arc<Case>) {
    case.prepare(|_| Ok(()));
    case.process(|worker| {
        for _ in 0..64 {
            let Ok(mark) = worker.store.mark() else { return };
            match worker.try_claim(&request("x", None, None)) {
                _ if worker.is_stopped() => return,
                Some(Some(_)) => return,
                Some(None) => {}
                // It isn't known whether there is work.
                None => continue,
            }
            if worker.store.wait(mark, Duration::from_secs(24 * 60 * 60)).is_err() {
                return;
            }
        }
        worker.case.wrong(Harm::Broken, "a waiter was woken again and again for nothing");
    });
    for which in ["a", "b"] {
        case.process(move |worker| {
            // One that failed may have been written all the same, so it is another one each time.
            let _ = (0..4).any(|n| worker.add(&format!("{which}{n}"), &[]) || worker.is_stopped());
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    one_winner(case, claims, 1);
}

/// A holder is late; another one is given its task; then the late one comes back, under the same name.
pub(super) fn stale(case: &Arc<Case>) {
    let late = Arc::new(parking_lot::Mutex::new(None));
    let held = late.clone();
    case.prepare(move |engine: &Engine| -> Result<(), Error> {
        add_all(engine, &["a"])?;
        *held.lock() = take(engine, &request("x", None, Some(60_000)))?;
        Ok(())
    });
    let Some((task, token)) = late.lock().take() else { return };
    case.process(move |worker| {
        if worker.heartbeat("x", &task, token) {
            worker.heartbeat("x", &task, token);
        }
        worker.complete("x", &task, token);
    });
    case.process(|worker| {
        worker.case.turns.step();
        worker.case.world.advance(Duration::from_secs(120));
        work("x", worker);
    });
    case.process(|worker| work("y", worker));
    case.join();
}

fn work(who: &str, worker: &Worker) {
    if let Some((task, token)) = worker.claim_with(&request(who, None, Some(60_000))) {
        worker.heartbeat(who, &task, token);
        worker.finish(who, &task, token, &Finish::Fail(None));
    }
    let _ = worker.act("look", |engine| engine.task(&id("a")));
    let _ = worker.act("upkeep", |engine| engine.upkeep(far()));
}
