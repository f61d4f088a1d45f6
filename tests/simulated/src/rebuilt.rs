//! What a board must hold, made of its whole history anew: every record of it, so that a switch, a repair or a move
//! that leaves something out is found. A snapshot and an index that were written from the same source may lack the
//! same, and the doctor, who compares those two, finds nothing then.
//!
//! - [`differences`]: in what a board differs from what its history makes of an empty one. [`in_records`]: the same
//!   where its numbers may go on from others, as after a repair.
//!
//! Unlike `fold`, this goes by the domain's own rules. What isn't in the history isn't compared: with which policies
//! and settings the board was made, and, once policies were set, what the new one said of tasks that wait.

use std::collections::BTreeMap;

use taskhost_board::image::{self, ImageView, Record};
use taskhost_board::memory::MemoryMap;
use taskhost_board::{
    BootId, Change, Entry, Head, Millis, ReadError, Readiness, Sequence, Space, View,
};

/// Everything in which a board, as it is at `now`, differs from what these entries, all since the first, make of it.
pub(crate) fn differences(
    history: &[(Sequence, Entry)],
    view: &dyn View,
    now: Millis,
) -> Vec<String> {
    let of_head = rebuilt(history, view).and_then(|must| heads(view, &ImageView::new(must)));
    let mut wrong = of_head.unwrap_or_else(|error| vec![no_board(&error)]);
    wrong.extend(in_records(history, view, now));
    wrong
}

/// The same of its records alone.
pub(crate) fn in_records(
    history: &[(Sequence, Entry)],
    view: &dyn View,
    now: Millis,
) -> Vec<String> {
    let is_set = |change: &Change| matches!(change, Change::PoliciesSet(_));
    let were_asked_again = history.iter().any(|(_, entry)| entry.changes.iter().any(is_set));
    let compared = rebuilt(history, view).and_then(|must| {
        let is = records(view, now, were_asked_again)?;
        Ok(different(&is, &records(&ImageView::new(must), now, were_asked_again)?))
    });
    compared.unwrap_or_else(|error| vec![no_board(&error)])
}

fn no_board(error: &ReadError) -> String {
    format!("its history makes no board: {error}")
}

/// The board that its history makes.
fn rebuilt(history: &[(Sequence, Entry)], view: &dyn View) -> Result<MemoryMap, ReadError> {
    let mut map = MemoryMap::default();
    let boot = BootId("another boot".into());
    let (policies, settings) = (view.policies()?, view.settings()?);
    image::start(&mut map, &boot, &Head::default(), &policies, &settings)?;
    for (sequence, entry) in history {
        image::apply(&mut map, *sequence, entry)?;
    }
    Ok(map)
}

/// What is different of what isn't a record.
fn heads(is: &dyn View, must: &dyn View) -> Result<Vec<String>, ReadError> {
    let mut wrong = Vec::new();
    let (born, must_born) = (is.head()?.born, must.head()?.born);
    if born != must_born {
        wrong.push(format!("the last place in the order of creation is {born}, not {must_born}"));
    }
    if is.policies()? != must.policies()? {
        wrong.push("the board's policies aren't those that were set last".into());
    }
    if is.settings()? != must.settings()? {
        wrong.push("the board's settings aren't those that were set last".into());
    }
    Ok(wrong)
}

type Records = BTreeMap<String, Record>;

/// Every record, by what it is; without what the policy said, if that isn't in the history.
fn records(view: &dyn View, now: Millis, without_readiness: bool) -> Result<Records, ReadError> {
    let mut records = BTreeMap::new();
    view.dump(now, &mut |mut record| {
        if let (Record::Task(task), true) = (&mut record, without_readiness) {
            task.readiness = Readiness::Unasked;
        }
        records.insert(name_of(&record), record);
        true
    })?;
    Ok(records)
}

fn name_of(record: &Record) -> String {
    match record {
        Record::Task(task) => format!("task `{}`", task.id),
        Record::Key { command, key, .. } => {
            format!("request key `{key}` of `{}`", command.as_str())
        }
        Record::Memory { space: Space::Custom, key, .. } => {
            format!("`{key}` in the custom policy's memory")
        }
        Record::Memory { space: Space::Standard, key, .. } => {
            format!("`{key}` in the standard policy's memory")
        }
        Record::Meta { key, .. } => format!("metadata `{key}`"),
        Record::Wake { on, .. } => {
            format!("the mark that those who wait on `{on}` are to be asked")
        }
    }
}

fn different(is: &Records, must: &Records) -> Vec<String> {
    let missing = must.iter().filter(|(name, _)| !is.contains_key(*name));
    let missing = missing.map(|(name, must)| format!("{name} is missing, which was {must:?}"));
    let wrong = is.iter().filter_map(|(name, is)| match must.get(name) {
        None => Some(format!("{name} is {is:?}, of which the history knows nothing")),
        Some(must) if must != is => Some(format!("{name} is {is:?} and must be {must:?}")),
        Some(_) => None,
    });
    missing.chain(wrong).collect()
}

#[cfg(test)]
mod tests {
    use taskhost_board::{Json, Keeper as _, Store as _};

    use super::*;
    use crate::operations::board;
    use crate::stage::{far, id, text};

    /// What is different if the board was carried over like this.
    fn carried(carry: impl Fn(&mut Record) -> bool) -> Vec<String> {
        let stage = board(None).unwrap();
        let desk = stage.desk().unwrap();
        let mut history = Vec::new();
        let each = &mut |sequence, entry| {
            history.push((sequence, entry));
            true
        };
        desk.store.history(Sequence(0), each).unwrap();
        // What the plain policies here never do.
        let memory = ["kept", "counted"].map(|key| Change::Remembered {
            space: Space::Standard,
            key: key.into(),
            value: Some(b"1".to_vec()),
        });
        let (last, mut entry) = history.last().cloned().unwrap();
        entry.changes = memory.into();
        history.push((last.next(), entry));

        let (view, now) = desk.store.snapshot().unwrap();
        let whole = ImageView::new(rebuilt(&history, &*view).unwrap());
        let (policies, settings) = (view.policies().unwrap(), view.settings().unwrap());
        let mut map = MemoryMap::default();
        let head = whole.head().unwrap();
        image::start(&mut map, &now.boot, &head, &policies, &settings).unwrap();
        whole
            .dump(now.wall, &mut |mut record| {
                if carry(&mut record) {
                    image::load(&mut map, &record).unwrap();
                }
                true
            })
            .unwrap();
        differences(&history, &ImageView::new(map), now.wall)
    }

    #[track_caller]
    fn assert_one(wrong: &[String], what: &str) {
        assert!(matches!(wrong, [one] if one.starts_with(what)), "{wrong:#?}, not {what}");
    }

    /// Of what a snapshot holds, only where tasks stand, who holds them and request keys were compared with what had
    /// been acknowledged, so a switch could leave out all the rest.
    #[test]
    fn whatever_is_not_carried_over_is_found() {
        assert_eq!(carried(|_| true), Vec::<String>::new());
        let without_meta = carried(|record| !matches!(record, Record::Meta { .. }));
        assert_one(&without_meta, "metadata `about` is missing");
        let without_memory =
            carried(|record| !matches!(record, Record::Memory { key, .. } if key == "kept"));
        assert_one(&without_memory, "`kept` in the standard policy's memory is missing");
        let without_attempts = carried(|record| {
            if let Record::Task(task) = record {
                task.attempts = task.attempts.min(u32::from(task.id != id("broken")));
            }
            true
        });
        assert_one(&without_attempts, "task `broken` is");
        let changed = carried(|record| {
            if let Record::Meta { value, .. } = record {
                *value = Json::parse("2").unwrap();
            }
            true
        });
        assert_one(&changed, "metadata `about` is");
    }

    /// A real switch in between, after which the same holds.
    #[test]
    fn a_compaction_carries_everything_over() {
        let stage = board(None).unwrap();
        let desk = stage.desk().unwrap();
        desk.store.compact(far()).map_err(text).unwrap();
        assert_eq!(crate::examine::contradictions(&stage, &desk.store), Vec::<String>::new());
    }
}
