//! Generations that begin while others work: compactions, policies, upgrades.

use std::sync::Arc;

use super::{Case, add_all};
use crate::outcome::Harm;

/// SQLite's WAL-reset bug lived from 3.7.0 to 3.51.2: a compaction and a writer that never met in a test.
pub(super) fn compactions(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a", "b", "c"]));
    case.process(|worker| {
        worker.compact();
        worker.compact();
    });
    for who in ["x", "y"] {
        case.process(move |worker| {
            while let Some((task, token)) = worker.claim_of(who, 3) {
                worker.complete(who, &task, token);
            }
        });
    }
    case.join();
    let claims = case.told.lock().claims;
    if claims > 3 || (case.is_calm() && claims < 3) {
        case.wrong(Harm::Doubled, format!("{claims} were given one of 3 tasks"));
    }
}

/// Another policy, while tasks are claimed and added.
pub(super) fn policy(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a", "b"]));
    case.process(|worker| {
        worker.set_policy(b"another policy");
    });
    case.process(|worker| {
        if let Some((task, token)) = worker.claim("x") {
            worker.complete("x", &task, token);
        }
    });
    case.process(|worker| {
        worker.add("c", &["a"]);
        worker.claim("y");
    });
    case.join();
}

/// Of two who set policies at once, one comes after the other.
pub(super) fn two_policies(case: &Arc<Case>) {
    case.prepare(|engine| add_all(engine, &["a"]));
    for component in [&b"another policy"[..], b"a third policy"] {
        case.process(move |worker| {
            worker.set_policy(component);
        });
    }
    case.process(|worker| {
        worker.claim("x");
        worker.compact();
    });
    case.join();
}

macro_rules! fixture {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!("../../../../fixtures/format-1/", $path)))),*]
    };
}

/// A board that the first version has left.
const FORMAT_1: &[(&str, &[u8])] = fixture!(
    "board.json"
    "tasks-2.jsonl"
    "journal-2.jsonl"
    "history/journal-1.jsonl"
    "policies/b8b55ec72980f93dc5ad2d5f2c68de3adf0a9634c0404cc2e191e7e7af5db3cc.wasm"
);

/// A board of the first format is upgraded by whoever changes it first.
pub(super) fn upgrade(case: &Arc<Case>) {
    for (path, content) in FORMAT_1 {
        case.world.tamper(path, Some(content.to_vec()));
    }
    case.vouch_for_what_is_there();
    for who in ["x", "y"] {
        case.process(move |worker| {
            worker.add(who, &[]);
            worker.claim(who);
        });
    }
    case.process(|worker| {
        worker.read();
        worker.read();
    });
    case.join();
    let pointer = case.world.files().remove("board.json").unwrap_or_default();
    let is_old = pointer.starts_with(br#"{"format":1,"#);
    if is_old && case.is_calm() {
        case.wrong(Harm::Broken, "the board was changed, and not upgraded");
    }
}
