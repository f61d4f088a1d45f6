//! Tasks of another system, put together: each gets an id of its own, and names only others that are there, none of them
//! itself by a detour.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use taskhost_board::{Arrival, Status, TaskId, order_of_birth};

use crate::dialect::{Dialect, Role};
use crate::draft::Draft;
use crate::ids::{board_id, changed_id};
use crate::{Error, Format, ReadOptions, Remark, remember};

/// A task as a file has it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) object: Map<String, Value>,
    /// Fields without a place that have the name of one that has.
    pub(crate) beside: Map<String, Value>,
    /// What it is called where it doesn't say so itself.
    pub(crate) named: Option<String>,
    /// Where it stands by the place where it was found.
    pub(crate) standing: Option<Status>,
    /// The file it was found in, with its directory, where each task has its own.
    pub(crate) file: Option<String>,
    /// The same task found elsewhere again.
    pub(crate) copies: Vec<Value>,
}

impl Source {
    /// A task that is all its fields say.
    pub(crate) fn of(object: Map<String, Value>) -> Self {
        let (beside, copies) = (Map::new(), Vec::new());
        Self { object, beside, named: None, standing: None, file: None, copies }
    }
}

/// One task, whose names of others are taken as they are.
pub(crate) fn one(
    dialect: &'static Dialect,
    source: Source,
    options: &ReadOptions,
) -> Result<(Arrival, Vec<Remark>), Error> {
    let mut drafts = vec![Draft::read(dialect, source, options)?];
    let known = name_all(dialect, &mut drafts);
    let anybody =
        |text: &str| Some(known.get(text).map_or_else(|| board_id(text), |(_, id)| id.clone()));
    for draft in &mut drafts {
        link(draft, &anybody);
    }
    break_circles(&mut drafts);
    let draft = drafts.pop().ok_or(Error::NotATask(dialect.format))?;
    remember::remember(dialect, draft)
}

/// All tasks of a board.
pub(crate) fn all(
    dialect: &'static Dialect,
    sources: Vec<Source>,
    options: &ReadOptions,
) -> Result<(Vec<Arrival>, Vec<Remark>), Error> {
    let read = sources.into_iter().map(|source| Draft::read(dialect, source, options));
    let mut drafts = read.collect::<Result<Vec<_>, _>>()?;
    let known = name_all(dialect, &mut drafts);
    for draft in &mut drafts {
        link(draft, &|text: &str| known.get(text).map(|(_, id)| id.clone()));
    }
    break_circles(&mut drafts);
    remember_places(dialect, &mut drafts);
    let mut arrivals = Vec::with_capacity(drafts.len());
    let mut remarks = Vec::new();
    for draft in drafts {
        let (arrival, of_one) = remember::remember(dialect, draft)?;
        arrivals.push(arrival);
        remarks.extend(of_one);
    }
    Ok((arrivals, remarks))
}

/// A board has a task after those that it names. Where a list has them otherwise, its tasks remember their places in it.
fn remember_places(dialect: &Dialect, drafts: &mut [Draft]) {
    let news: Vec<_> = drafts.iter().map(|draft| &draft.arrival.new).collect();
    // There is no circle any more. A pool has no order that could be lost.
    let Some(order) = order_of_birth(&news).ok().filter(|_| dialect.format != Format::A2a) else {
        return;
    };
    for (_, place) in order.into_iter().enumerate().filter(|(at, place)| at != place) {
        drafts[place].place = Some(place);
    }
}

/// Gives every task an id of its own; says which id a text stands for. Of two tasks of one id the first keeps it.
fn name_all(dialect: &Dialect, drafts: &mut [Draft]) -> BTreeMap<String, (usize, TaskId)> {
    let mut used: BTreeSet<TaskId> = BTreeSet::new();
    let mut known = BTreeMap::new();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    // Ids that are valid stay, whatever another one is changed to.
    let given: Vec<Option<TaskId>> = drafts
        .iter()
        .map(|draft| {
            let id = TaskId::new(draft.id_text.clone()?).ok()?;
            used.insert(id.clone()).then_some(id)
        })
        .collect();
    for (index, (draft, given)) in drafts.iter_mut().zip(given).enumerate() {
        let id = match (given, draft.id_text.clone()) {
            (Some(id), _) => id,
            (None, text) => {
                let shown = text.clone().unwrap_or_else(|| dialect.default_type.to_owned());
                let own = text.clone().unwrap_or_else(|| content(draft));
                // Where the last one of the same name stopped counting, since there may be very many of them.
                let count = counts.entry((shown.clone(), own.clone())).or_insert(0);
                let id = loop {
                    *count += 1;
                    let id = match (&*count, &text) {
                        (1, Some(text)) => board_id(text),
                        (1, None) => changed_id(&shown, &own),
                        (count, _) => changed_id(&shown, &format!("{own}#{count}")),
                    };
                    if used.insert(id.clone()) {
                        break id;
                    }
                };
                let count = *count;
                let why = match text {
                    None => "it has none",
                    Some(_) if count > 1 => "another task has it",
                    Some(_) => "not valid on a board",
                };
                draft.remark_on(Role::Id, format!("{why}, so the task is called `{id}`"));
                id
            }
        };
        if let Some(text) = &draft.id_text {
            known.entry(text.clone()).or_insert_with(|| (index, id.clone()));
        }
        draft.set_id(id);
    }
    known
}

/// What tells a task without an id from others.
fn content(draft: &Draft) -> String {
    let given = draft.given.iter().map(|(_, name, value)| format!("{name}={value}"));
    let given: Vec<String> = given.collect();
    format!("{}{}", given.join(","), Value::Object(draft.source.object.clone()))
}

/// Lets a task name those that are there.
fn link(draft: &mut Draft, known: &impl Fn(&str) -> Option<TaskId>) {
    if let Some(text) = draft.parent_text.take() {
        draft.arrival.new.parent = known(&text);
        if draft.arrival.new.parent.is_none() {
            draft
                .remark_on(Role::Parent, format!("there is no task `{text}`, so it has no parent"));
        }
    }
    for text in std::mem::take(&mut draft.after_texts) {
        match known(&text) {
            Some(id) if draft.arrival.new.after.contains(&id) => {}
            Some(id) => draft.arrival.new.after.push(id),
            None => draft.remark_on(
                Role::After,
                format!("there is no task `{text}`, so it doesn't wait for it"),
            ),
        }
    }
}

/// Takes away what makes tasks wait for themselves: in each circle, the one name that closes it.
fn break_circles(drafts: &mut [Draft]) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        Above,
        Done,
    }
    let place: BTreeMap<TaskId, usize> = drafts
        .iter()
        .enumerate()
        .filter_map(|(index, draft)| Some((draft.arrival.new.id.clone()?, index)))
        .collect();
    let named: Vec<Vec<(TaskId, usize)>> = drafts
        .iter()
        .map(|draft| {
            let new = &draft.arrival.new;
            let ids = new.parent.iter().chain(&new.after);
            ids.filter_map(|id| Some((id.clone(), *place.get(id)?))).collect()
        })
        .collect();
    let mut seen = vec![Seen::Never; drafts.len()];
    let mut cut: BTreeSet<(usize, TaskId)> = BTreeSet::new();
    for start in 0..drafts.len() {
        if seen[start] != Seen::Never {
            continue;
        }
        seen[start] = Seen::Above;
        // A path may be as long as the file: it is kept here and not on the stack.
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let (at, edge) = (*at, named[*at].get(*next));
            *next += 1;
            match edge {
                None => {
                    seen[at] = Seen::Done;
                    path.pop();
                }
                Some((id, to)) => match seen[*to] {
                    Seen::Never => {
                        seen[*to] = Seen::Above;
                        path.push((*to, 0));
                    }
                    Seen::Above => drop(cut.insert((at, id.clone()))),
                    Seen::Done => {}
                },
            }
        }
    }
    for (index, id) in cut {
        let draft = &mut drafts[index];
        let new = &mut draft.arrival.new;
        let was_parent = new.parent.take_if(|parent| *parent == id).is_some();
        let count = new.after.len();
        new.after.retain(|after| *after != id);
        let waited = new.after.len() < count;
        let why = format!("`{id}` is, or waits for, a part of it, so that is left out");
        if was_parent {
            draft.remark_on(Role::Parent, why.clone());
        }
        if waited {
            draft.remark_on(Role::After, why);
        }
    }
}
