//! The lines of `add --from`: a JSON object each, in the names that tasks have everywhere.

use std::io::{BufRead, Read};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use taskhost::{AgentKind, Assignee, Json, Name, NewTask, TaskId};

use crate::exit::{LineFailed, Usage};
use crate::parse;

/// The longest line, in bytes: larger than any task can be.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// A task to be added, and where it stands.
#[derive(Debug)]
pub struct Line {
    pub number: usize,
    pub task: NewTask,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "type")]
    task_type: Name,
    id: Option<TaskId>,
    parent: Option<TaskId>,
    #[serde(default)]
    after: Vec<TaskId>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    labels: Vec<Name>,
    #[serde(default)]
    needs: Vec<Name>,
    assignee: Option<Value>,
    #[serde(default)]
    data: Json,
    key: Option<String>,
    not_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssigneeFields {
    name: Name,
    #[serde(default)]
    kind: AgentKind,
    hostname: Option<Name>,
    by: Option<Name>,
}

/// Reads lines one by one; empty ones are passed over.
pub struct Lines<R> {
    source: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    pub fn new(source: R) -> Self {
        Self { source, number: 0 }
    }

    /// The next task, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let read = (&mut self.source).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut text);
            if read.context("the lines can't be read")? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if text.len() as u64 > LINE_BYTES_MAX {
                return Err(self.wrong(format!("it is longer than {LINE_BYTES_MAX} bytes")));
            }
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let task = parse(text).map_err(|why| self.wrong(why))?;
            return Ok(Some(Line { number: self.number, task }));
        }
    }

    fn wrong(&self, why: String) -> anyhow::Error {
        LineFailed { line: self.number, added: 0, why: Usage(why).into() }.into()
    }
}

fn parse(text: &[u8]) -> Result<NewTask, String> {
    let fields: Fields = serde_json::from_slice(text).map_err(|error| reason(&error))?;
    Ok(NewTask {
        id: fields.id,
        task_type: fields.task_type,
        parent: fields.parent,
        after: fields.after,
        priority: fields.priority,
        labels: fields.labels,
        needs: fields.needs,
        assignee: fields.assignee.map(assignee).transpose()?,
        data: fields.data,
        key: fields.key,
        not_before: fields.not_before.as_deref().map(parse::time).transpose()?,
    })
}

/// A name, or an object as tasks have it.
fn assignee(value: Value) -> Result<Assignee, String> {
    let value = match value {
        Value::String(name) => serde_json::json!({ "name": name }),
        other => other,
    };
    let fields: AssigneeFields =
        serde_json::from_value(value).map_err(|error| format!("`assignee`: {error}"))?;
    Ok(Assignee { name: fields.name, kind: fields.kind, hostname: fields.hostname, by: fields.by })
}

/// What serde says, without its own count of lines: each line is a text of its own to it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place)
        .map_or(text.clone(), |reason| format!("{reason} (column {})", error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Line>> {
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(line);
        }
        Ok(all)
    }

    #[track_caller]
    fn check_wrong(text: &str, said: &str) {
        let error = all(text).unwrap_err().to_string();
        assert!(error.contains(said), "`{error}` doesn't say `{said}`");
    }

    #[test]
    fn line_has_the_names_that_tasks_have() {
        let lines = all(
            r#"{"type":"build"}

            {"id":"b","type":"t","parent":"a","after":["x","y"],"priority":-2,"labels":["l"],"needs":["n"],"assignee":{"name":"al","kind":"human"},"data":{"k":[1]},"key":"K","not_before":"2030-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(lines[0].task.task_type.as_str(), "build");
        assert_eq!(lines[1].number, 3);
        let task = &lines[1].task;
        assert_eq!(task.after.len(), 2);
        assert_eq!(task.priority, -2);
        assert_eq!(task.assignee.as_ref().map(|who| who.kind), Some(AgentKind::Human));
        assert_eq!(task.data.as_str(), r#"{"k":[1]}"#);
        assert!(task.not_before.is_some());
    }

    #[test]
    fn assignee_may_be_a_bare_name() {
        let lines = all(r#"{"type":"build","assignee":"alice"}"#).unwrap();
        assert_eq!(lines[0].task.assignee.as_ref().map(|who| who.name.as_str()), Some("alice"));
    }

    #[test]
    fn wrong_line_is_refused_by_its_number() {
        check_wrong(
            "{\"type\":\"a\"}\n{\"type\":\"a\",\"prio\":1}",
            "line 2: unknown field `prio`",
        );
        check_wrong("\n\n{\"id\":\"a\"}", "line 3: missing field `type`");
        check_wrong("[1]", "line 1: ");
        check_wrong("{\"type\":\"a\",\"id\":\"../x\"}", "is not a valid task id");
        check_wrong("{\"type\":\"a\",\"not_before\":\"soon\"}", "`soon` isn't a time");
        check_wrong(
            "{\"type\":\"a\",\"assignee\":{\"nam\":\"x\"}}",
            "`assignee`: unknown field `nam`",
        );
    }
}
