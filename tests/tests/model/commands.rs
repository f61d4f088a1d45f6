//! Commands at random: few ids, few workers and few words, so that they meet often, and now and then one that can't be
//! meant: an unknown task, a stale token, somebody else's name.

use std::collections::BTreeMap;

use crate::dice::Dice;
use crate::model::Model;
use crate::words::{
    Action, Ask, Command, FAR, Finish, GONE, Id, New, Person, Proof, Status, Update, WORKERS,
};

const TYPES: [&str; 2] = ["build", "test"];
const LABELS: [&str; 2] = ["fast", "late"];
const NEEDS: [&str; 2] = ["gpu", "net"];
const IDS: u64 = 40;
/// From so many tasks on, new ones are rare.
const ENOUGH: usize = 24;

/// What kind of board commands are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Time is moved by commands: leases end, backoffs pass.
    ManualClock,
    /// Time moves by itself, so nothing may hang on it.
    OwnClock,
}

/// Settings to begin with, or some to change.
pub fn settings(dice: &mut Dice, kind: Kind, often: u64) -> BTreeMap<String, String> {
    let (leases, backoffs): (&[&str], &[&str]) = match kind {
        Kind::ManualClock => (&["5s", "20s", "0s", "5000000s"], &["0s", "3s", "10s"]),
        Kind::OwnClock => (&["3600s", "7200s"], &["0s", "7200s"]),
    };
    let choices: [(&str, &[&str]); 7] = [
        ("parent", &["parent-first", "children-first", "children-first", "independent"]),
        ("cascade", &["block", "cancel"]),
        ("lease", leases),
        ("max_attempts", &["0", "2", "3", "5", "-1"]),
        ("retries", &["0", "1", "3"]),
        ("backoff", backoffs),
        ("max_claims_per_agent", &["0", "0", "1", "3"]),
    ];
    let mut settings = BTreeMap::new();
    for (name, values) in choices {
        if dice.one_in(often) {
            settings.insert(name.to_owned(), (*dice.pick(values)).to_owned());
        }
    }
    settings
}

/// The next command for a board that stands as the model says.
pub fn command(dice: &mut Dice, model: &Model, kind: Kind) -> Command {
    let adds = if model.count() < ENOUGH { 18 } else { 3 };
    let rare = if kind == Kind::OwnClock { 1 } else { 2 };
    let weights = [adds, 20, 5, 20, 26, 3, rare, 8, 2, rare, 1, 10];
    let mut left = dice.below(weights.iter().sum());
    let which = weights.iter().position(|weight| {
        let here = left < *weight;
        left = left.wrapping_sub(*weight);
        here
    });
    match which.unwrap_or_default() {
        0 => add(dice, model, kind),
        1 => claim(dice, model, kind),
        2 => {
            let (id, proof) = proof(dice, model);
            let lease = lease(dice, kind);
            Command::Heartbeat { id, proof, lease }
        }
        3 => finish(dice, model),
        4 => change(dice, model, kind),
        5 => meta(dice, model),
        6 if dice.one_in(3) => Command::Settings(settings(dice, kind, 4)),
        7 => Command::Advance(time(dice)),
        // In files, whether a holder lives is looked up now and then, not at every command.
        8 if kind == Kind::ManualClock => Command::Die(dice.below(WORKERS.len() as u64) as usize),
        9 if kind == Kind::OwnClock => Command::Reopen,
        10 if kind == Kind::OwnClock => Command::Compact,
        _ => {
            let mut ask = ask(dice, model, kind);
            // One task is looked at closely.
            ask.only = Some(some_id(dice, &model.ids()));
            Command::Check(ask)
        }
    }
}

fn time(dice: &mut Dice) -> u64 {
    match dice.below(60) {
        0 => 8 * 24 * 60 * 60 * 1_000,
        1..=9 => 5_000,
        10..=19 => 20_000,
        _ => dice.below(4_000),
    }
}

fn lease(dice: &mut Dice, kind: Kind) -> Option<u64> {
    match kind {
        Kind::ManualClock => dice.maybe(4, |dice| *dice.pick(&[2_000, 7_000, 60_000])),
        Kind::OwnClock => dice.maybe(4, |_| 3_600_000),
    }
}

fn not_before(dice: &mut Dice, model: &Model, kind: Kind) -> u64 {
    match kind {
        Kind::ManualClock => (model.now + dice.below(15_000)).saturating_sub(3_000),
        Kind::OwnClock => *dice.pick(&[FAR, GONE]),
    }
}

/// Any id there may be, or mostly one of `from`.
fn some_id(dice: &mut Dice, from: &[Id]) -> Id {
    if from.is_empty() || dice.one_in(25) {
        return format!("t{}", dice.below(IDS));
    }
    dice.pick(from).clone()
}

fn person(dice: &mut Dice) -> Person {
    let worker = dice.pick(&WORKERS);
    let hostname = worker.hostname.filter(|_| dice.one_in(2));
    Person { name: worker.name.into(), kind: worker.kind, hostname: hostname.map(Into::into) }
}

fn data(dice: &mut Dice) -> String {
    (*dice.pick(&["null", "1", "{\"url\":\"https://example.org\"}"])).into()
}

fn priority(dice: &mut Dice) -> i32 {
    *dice.pick(&[0, 0, 1, 5, -3, i32::MIN, i32::MAX])
}

fn add(dice: &mut Dice, model: &Model, kind: Kind) -> Command {
    let (used, _) = model.used_keys();
    if !used.is_empty() && dice.one_in(12) {
        let mut again = dice.pick(&used).clone();
        if dice.one_in(3) {
            again.priority = again.priority.wrapping_add(1);
        }
        return Command::Add(vec![again]);
    }
    let known = model.ids();
    let free: Vec<Id> =
        (0..IDS).map(|n| format!("t{n}")).filter(|id| !known.contains(id)).collect();
    let mut fresh: Vec<Id> = Vec::new();
    let count = if dice.one_in(5) { 1 + dice.below(3) } else { 1 };
    for _ in 0..count {
        let id = if dice.one_in(30) { some_id(dice, &known) } else { some_id(dice, &free) };
        fresh.push(id);
    }
    let mut news = Vec::new();
    for id in &fresh {
        let other = |dice: &mut Dice| {
            if dice.one_in(4) { some_id(dice, &fresh) } else { some_id(dice, &known) }
        };
        let parent = dice.maybe(3, |dice| {
            let held = model.ids_of(&[Status::InProgress]);
            if dice.one_in(4) { some_id(dice, &held) } else { other(dice) }
        });
        news.push(New {
            // What isn't moved by commands isn't the same twice, and so aren't the ids it makes.
            id: Some(id.clone()).filter(|_| kind == Kind::OwnClock || !dice.one_in(12)),
            task_type: (*dice.pick(&TYPES)).into(),
            parent: parent.clone(),
            after: {
                let first = dice.maybe(3, other);
                let second = dice.maybe(8, other);
                let own = parent.clone().filter(|_| dice.one_in(6));
                first.into_iter().chain(second).chain(own).collect()
            },
            priority: priority(dice),
            labels: dice.some(&LABELS, 3),
            needs: dice.some(&NEEDS, 4),
            assignee: dice.maybe(6, person),
            data: data(dice),
            key: dice.maybe(8, |dice| format!("k{}", dice.below(12))),
            not_before: dice.maybe(8, |dice| not_before(dice, model, kind)),
        });
    }
    Command::Add(news)
}

fn ask(dice: &mut Dice, model: &Model, kind: Kind) -> Ask {
    let only = dice.maybe(5, |dice| {
        let from = if dice.one_in(2) { model.ready_ids() } else { model.ids() };
        some_id(dice, &from)
    });
    Ask {
        worker: dice.below(WORKERS.len() as u64) as usize,
        types: dice.some(&TYPES, 5),
        labels: dice.some(&LABELS, 8),
        capabilities: NEEDS
            .iter()
            .filter(|_| !dice.one_in(3))
            .map(|need| (*need).to_owned())
            .collect(),
        only,
        lease: lease(dice, kind),
        key: None,
    }
}

fn claim(dice: &mut Dice, model: &Model, kind: Kind) -> Command {
    let (_, used) = model.used_keys();
    let held = model.held_by_key();
    let from = if held.is_empty() || dice.one_in(3) { used } else { held };
    if !from.is_empty() && dice.one_in(10) {
        let mut again = dice.pick(&from).clone();
        if dice.one_in(3) {
            again.types = vec!["other".into()];
        }
        return Command::Claim(again);
    }
    let mut ask = ask(dice, model, kind);
    ask.key = dice.maybe(8, |dice| format!("k{}", dice.below(12)));
    Command::Claim(ask)
}

/// Mostly one that holds, else one that held once, or one that never did.
fn proof(dice: &mut Dice, model: &Model) -> (Id, Proof) {
    let [now, last] = model.proofs();
    let from = if dice.one_in(5) { &last } else { &now };
    let (mut id, mut proof) = if from.is_empty() {
        let agent = WORKERS[0].name.into();
        (some_id(dice, &model.ids()), Proof { agent, token: Some(dice.below(9)) })
    } else {
        dice.pick(from).clone()
    };
    match dice.below(40) {
        0 => proof.token = None,
        1 | 2 => proof.token = proof.token.map(|token| token + 1),
        3 => proof.token = proof.token.map(|token| token.saturating_sub(1)),
        4 | 5 => proof.agent = dice.pick(&WORKERS).name.into(),
        6 => id = some_id(dice, &model.ids()),
        _ => {}
    }
    (id, proof)
}

fn finish(dice: &mut Dice, model: &Model) -> Command {
    let (id, proof) = proof(dice, model);
    let text = |dice: &mut Dice| (*dice.pick(&["it broke", "no disk"])).to_owned();
    let how = match dice.below(10) {
        0..=4 => Finish::Complete(dice.maybe(3, data)),
        5..=7 => Finish::Fail(dice.maybe(2, text)),
        _ => Finish::Release(dice.maybe(2, text)),
    };
    Command::Finish { id, proof, how }
}

fn change(dice: &mut Dice, model: &Model, kind: Kind) -> Command {
    use Status::{Blocked, Cancelled, Completed, Failed, InProgress, Pending};
    let cascade = dice.one_in(3);
    let text = |dice: &mut Dice| (*dice.pick(&["why not", "what now?"])).to_owned();
    let crowded = model.count() >= ENOUGH;
    let mut holder = None;
    let (action, likely): (Action, &[Status]) = match dice.below(if crowded { 38 } else { 32 }) {
        0..=3 => (Action::Assign(person(dice)), &[Pending, InProgress, Blocked]),
        4..=6 => {
            let from = dice.maybe(2, |dice| dice.pick(&WORKERS).name.to_owned());
            (Action::Unassign(from), &[Pending, InProgress, Blocked])
        }
        7..=11 => (Action::Update(update(dice, model, kind)), &[Pending, InProgress, Blocked]),
        12..=13 => {
            let reason = dice.maybe(2, text);
            (Action::Cancel { cascade, reason }, &[Pending, InProgress, Blocked, Cancelled])
        }
        14..=19 => (Action::Retry { cascade }, &[Failed, Failed, Cancelled]),
        20..=22 => {
            let reason = dice.maybe(2, text);
            let by = dice.maybe(2, |dice| proof(dice, model));
            let force = by.is_none() && dice.one_in(4);
            let proof = by.map(|(id, proof)| {
                holder = Some(id);
                proof
            });
            (Action::Block { reason, proof, force }, &[Pending, InProgress, Blocked])
        }
        23..=26 => (Action::Unblock, &[Blocked]),
        27..=28 => (Action::Release, &[InProgress]),
        29 => (Action::Review { accept: dice.one_in(2) }, &[Completed, InProgress]),
        _ => (Action::Archive, &[Completed, Failed, Cancelled]),
    };
    let from = if dice.one_in(8) { model.ids() } else { model.ids_of(likely) };
    let count = if dice.one_in(6) { 2 + dice.below(2) } else { 1 };
    let mut ids: Vec<Id> = (0..count).map(|_| some_id(dice, &from)).collect();
    if let Some(id) = holder {
        ids[0] = id;
    }
    Command::Change { ids, action, together: dice.one_in(3), dry_run: dice.one_in(10) }
}

fn update(dice: &mut Dice, model: &Model, kind: Kind) -> Update {
    let at = |dice: &mut Dice| if dice.one_in(2) { 0 } else { not_before(dice, model, kind) };
    let mut update = Update {
        labels: dice.maybe(3, |dice| dice.some(&LABELS, 2)),
        needs: dice.maybe(3, |dice| dice.some(&NEEDS, 3)),
        data: dice.maybe(3, data),
        not_before: dice.maybe(3, at),
        priority: dice.maybe(3, priority),
    };
    if update == Update::default() {
        update.priority = Some(priority(dice));
    }
    update
}

fn meta(dice: &mut Dice, model: &Model) -> Command {
    let key = format!("m{}", dice.below(3));
    let expected = dice.maybe(2, |dice| match model.meta_of(&key) {
        Some(value) if !dice.one_in(3) => value.clone(),
        _ => data(dice),
    });
    // A value of `null` would be one that is there and isn't.
    let value = dice.maybe(2, |dice| dice.below(3).to_string());
    Command::Meta { key, value, expected }
}
