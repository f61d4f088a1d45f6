//! What fuzzing does with the JSON that enters: lines of tasks, and values.
//!
//! An input is a list of edits of [`LINES`], or lines as they are. What must hold: nothing panics; what is accepted
//! is, written and read again, the same; and of the tasks that are to be added all are on the board afterwards, as they
//! were given, or none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    BoardSettings, Digest, Engine, Entry, Json, ListQuery, NewTask, PolicyPin, PolicySet,
    Store as _, Task,
};
use taskhost_mutate::Choices;

use crate::{WireTask, parse_task};

/// How many edits an input makes at most.
const EDITS_MAX: usize = 8;

/// What is edited: every field, in ordinary and in unusual forms.
const LINES: [&str; 5] = [
    r#"{"type":"build"}"#,
    r#"{"id":"b","type":"t","after":["a"],"priority":-2,"labels":["l","k"],"needs":["n"],"data":{"k":[1]},"key":"K","not_before":"2030-01-01T00:00:00Z"}"#,
    r#"{"id":"a","type":"a b","assignee":"al","data":[12345678901234567890123,1.50,-0.0,"\u0000\ud83d\ude00"],"not_before":"1969-12-31T23:00:00.5+01:00"}"#,
    r#"{"id":"c:1._-","type":"t","parent":"a","assignee":{"name":"al","kind":"human","hostname":"h","by":"b"},"data":null}"#,
    r#"{"type":"é","data":{"deep":[[[[[[[[]]]]]]]],"a":1,"a":2,"":{}},"key":"k k"}"#,
];

/// Reads lines of tasks as `add --from` does, adds them to a board, and looks what came of it.
pub fn input(data: &[u8]) {
    let mut choices = Choices::new(data);
    if choices.byte() & 1 == 1 {
        return lines(choices.rest());
    }
    let others: Vec<Value> =
        LINES.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut all: Vec<Vec<u8>> = LINES.map(|line| format!("{line}\n").into_bytes()).to_vec();
    let given = all.clone();
    for _ in 0..EDITS_MAX {
        if choices.is_done() {
            break;
        }
        let at = choices.below(all.len());
        match choices.below(3) {
            0 => drop(taskhost_mutate::lines(&mut all, &given, &mut choices)),
            _ if all.is_empty() => {}
            1 => taskhost_mutate::bytes(&mut all[at], &mut choices),
            _ => {
                if let Ok(mut value) = serde_json::from_slice(&all[at]) {
                    taskhost_mutate::json(&mut value, &others, &mut choices);
                    all[at] = format!("{value}\n").into_bytes();
                }
            }
        }
    }
    lines(&all.concat());
}

fn lines(text: &[u8]) {
    let mut tasks = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if let Ok(line) = std::str::from_utf8(line) {
            value(line);
        }
        match parse_task(line.trim_ascii()) {
            Ok(task) => tasks.push(task),
            Err(why) => assert!(!why.is_empty(), "a line is refused without a reason"),
        }
    }
    added(&tasks);
}

/// A value that is accepted is, written and read again, the same, also deep inside of something.
fn value(text: &str) {
    let Ok(json) = Json::parse(text) else { return };
    assert_eq!(Json::parse(json.as_str()).ok().as_ref(), Some(&json), "it doesn't read back");
    let line = serde_json::to_string(&[[[[&json]]]]).expect("what was read can be written");
    let [[[[read]]]]: [[[[Json; 1]; 1]; 1]; 1] =
        serde_json::from_str(&line).expect("what was written can be read");
    assert_eq!(read, json, "it says something else inside of a line");
    let shown = crate::value(&json);
    assert_eq!(Json::try_from(shown).ok(), Some(json), "it is shown as something else");
}

fn added(tasks: &[NewTask]) {
    let (store, engine) = board();
    let deadline = Instant::now() + Duration::from_secs(20);
    let outcomes = match engine.add(tasks, deadline) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(on_board(&store).len(), 0, "some tasks were added, others refused");
            assert_eq!(store.entries().len(), 0);
            return;
        }
    };
    assert_eq!(outcomes.len(), tasks.len());
    let fresh = outcomes.iter().filter(|outcome| !outcome.repeated).count();
    assert_eq!(on_board(&store).len(), fresh, "other tasks are there than were added");
    for (given, outcome) in tasks.iter().zip(&outcomes) {
        let shown = shown(&outcome.task);
        let read = parse_task(shown.as_bytes());
        let read = read.unwrap_or_else(|why| panic!("`{shown}` can't be added again: {why}"));
        let expected = NewTask { id: Some(outcome.task.id.clone()), ..sorted(given) };
        assert_eq!(format!("{:?}", sorted(&read)), format!("{expected:?}"));
    }
    for entry in store.entries() {
        let text = serde_json::to_string(&entry).expect("what was committed can be written");
        let read: Entry = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(read, entry);
    }
    assert_eq!(store.check().expect("it can be read"), Vec::<String>::new());
}

fn board() -> (MemoryStore, Engine) {
    let standard = b"the standard policy";
    let digest = Digest::of(standard);
    let pin = PolicyPin { digest, settings: BTreeMap::new() };
    let components = BTreeMap::from([(digest, standard.to_vec())]);
    let set = PolicySet { custom: None, standard: pin };
    let store = MemoryStore::new(&set, components, &BoardSettings::default());
    let store = store.expect("a board in memory can be made");
    let count = AtomicU64::new(1);
    let entropy = Arc::new(move || count.fetch_add(1, Ordering::Relaxed));
    let engine = Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), entropy);
    (store, engine)
}

fn on_board(store: &MemoryStore) -> Vec<Task> {
    let (view, _) = store.snapshot().expect("it can be read");
    let query = ListQuery { limit: usize::MAX, ..ListQuery::default() };
    view.list(&query).expect("it can be read").tasks
}

/// A task as it is shown, without what only the board says of it.
fn shown(task: &Task) -> String {
    let mut value = serde_json::to_value(WireTask::from(task)).expect("it can be written");
    if let Value::Object(fields) = &mut value {
        let given = [
            "type",
            "id",
            "parent",
            "after",
            "priority",
            "labels",
            "needs",
            "assignee",
            "data",
            "key",
            "not_before",
        ];
        fields.retain(|name, _| given.contains(&name.as_str()));
    }
    value.to_string()
}

/// The task as a board keeps it: its words in order, and none of them twice.
fn sorted(task: &NewTask) -> NewTask {
    let mut task = task.clone();
    for words in [&mut task.labels, &mut task.needs] {
        words.sort();
        words.dedup();
    }
    let mut after = Vec::new();
    for id in task.after.drain(..) {
        if !after.contains(&id) {
            after.push(id);
        }
    }
    task.after = after;
    task
}

#[cfg(test)]
mod tests {
    use taskhost_board::Sequence;

    use super::*;

    const ROUNDS: u64 = 3_000;

    #[test]
    fn tasks_that_are_given_are_all_added_as_they_are_or_none_is() {
        assert!(taskhost_mutate::replay("input", ROUNDS, input) > ROUNDS);
    }

    #[test]
    fn lines_that_are_edited_can_be_added() {
        let all = LINES.map(|line| parse_task(line.as_bytes()).unwrap());
        let (store, engine) = board();
        engine.add(&all, Instant::now() + Duration::from_secs(20)).unwrap();
        assert_eq!(on_board(&store).len(), LINES.len());
        assert!(store.history(Sequence(0), &mut |_, _| true).is_ok());
    }
}
