//! `context get`: a value as it is.

use std::io::{Cursor, Read};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use taskhost::domain::CONTEXT_BYTES_MAX;
use taskhost::{Board, Owner, TaskId};

use super::output::{self, Place};
use super::{Whose, no_such_value};
use crate::context::Context;
use crate::exit::{Code, Usage};
use crate::output::{Output, copy};
use crate::outputs::Outputs;
use crate::parse;

const EXAMPLES: &str = "\
Example: the bytes as they are

  taskhost context get --task build_1a2b3c4d notes > notes.md

Example: what the command of the first attempt printed, which `taskhost run` kept

  taskhost context get --task build_1a2b3c4d output/1/stderr

With `--json`, the object has `text`, or `base64` if the value isn't UTF-8. If there is no such value, the exit code \
is 5.";

/// Write a value to standard output, as it is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// Its key
    #[arg(value_parser = key)]
    key: Key,
}

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Value(TaskId),
    Output(Place),
}

#[derive(Serialize)]
struct Answer {
    key: String,
    bytes: usize,
    #[serde(flatten)]
    value: Value,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    Text(String),
    Base64(String),
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let owner = args.whose.owner_of_old(&board)?;
    let found = find(&board, &owner, &args.key)?;
    let mut found = found.ok_or_else(|| no_such_value(&owner, &args.key.to_string()))?;
    if context.output == Output::Text {
        copy(&mut found)?;
        return Ok(Code::Done);
    }
    let mut bytes = Vec::new();
    found.take(CONTEXT_BYTES_MAX + 1).read_to_end(&mut bytes).context("it can't be read")?;
    if bytes.len() as u64 > CONTEXT_BYTES_MAX {
        let key = &args.key;
        return Err(
            Usage(format!("`{key}` is larger than 64 MiB: read it without `--json`")).into()
        );
    }
    let answer = Answer { key: args.key.to_string(), bytes: bytes.len(), value: value(bytes) };
    context.output.answer(&answer, |_| ())?;
    Ok(Code::Done)
}

fn key(text: &str) -> Result<Key, String> {
    match output::place(text) {
        Some(place) => Ok(Key::Output(place)),
        None => Ok(Key::Value(parse::value_key(text)?)),
    }
}

fn find(board: &Board, owner: &Owner, key: &Key) -> Result<Option<Box<dyn Read>>> {
    Ok(match (key, owner) {
        (Key::Value(key), owner) => {
            let value = board.contexts().get(owner, key).map_err(taskhost::Error::from)?;
            value.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read>)
        }
        (Key::Output(place), Owner::Task(id)) => {
            let file =
                output::open(&Outputs::of(board)?.path, id, place).context("it can't be read")?;
            file.map(|file| Box::new(file) as Box<dyn Read>)
        }
        (Key::Output(_), Owner::Agent(_)) => None,
    })
}

fn value(bytes: Vec<u8>) -> Value {
    String::from_utf8(bytes)
        .map_or_else(|error| Value::Base64(STANDARD.encode(error.as_bytes())), Value::Text)
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(key) => key.fmt(f),
            Self::Output(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_text_if_it_can_be() {
        assert_eq!(value("größe".into()), Value::Text("größe".into()));
        assert_eq!(value(vec![0xff, 0]), Value::Base64("/wA=".into()));
        let answer = Answer { key: "k".into(), bytes: 2, value: value(vec![0xff, 0]) };
        assert_eq!(
            crate::output::json(&answer).unwrap(),
            r#"{"schema":1,"key":"k","bytes":2,"base64":"/wA="}"#
        );
    }

    #[test]
    fn key_names_a_value_or_what_run_left_and_nothing_outside() {
        assert!(matches!(key("notes"), Ok(Key::Value(_))));
        assert!(matches!(key("output/1/stdout"), Ok(Key::Output(_))));
        for text in ["", "../x", "a/b", "output/1", "output/../../x", "output/1/..", "output/1/a/b"]
        {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
