//! The lines of `add --from`: a JSON object each, in the names that tasks have everywhere.

use std::io::{BufRead, Read};

use anyhow::{Context as _, Result};
use taskhost::{NewTask, wire};

use crate::exit::{LineFailed, Usage};

/// The longest line, in bytes: larger than any task can be.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// A task to be added, and where it stands.
#[derive(Debug)]
pub struct Line {
    pub number: usize,
    pub task: NewTask,
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
            let task = wire::parse_task(text).map_err(|why| self.wrong(why))?;
            return Ok(Some(Line { number: self.number, task }));
        }
    }

    fn wrong(&self, why: String) -> anyhow::Error {
        LineFailed { line: self.number, added: 0, why: Usage(why).into() }.into()
    }
}

#[cfg(test)]
mod tests {
    use taskhost::AgentKind;

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
