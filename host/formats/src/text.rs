//! JSON files, read whole or not at all.
//!
//! Besides what isn't JSON, a file is refused that says something twice: a reader of JSON takes one of two equal keys and
//! drops the other without a word, and so a task would be lost.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use taskhost_board::{InvalidJson, Json};

use crate::Error;

/// How many levels of values in each other are read, as `serde_json` has it.
const DEPTH_MAX: usize = 127;

/// The largest file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of a file.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>, Error> {
    expect_file(path)?;
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut text = Vec::new();
    // It may grow while it is read.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|e| unreadable(path, &e))?;
    expect(path, text.len() as u64)?;
    Ok(text)
}

/// Checks that a file is there and isn't too large to be read. It has to be asked before anything is opened: what opens a
/// pipe waits for whoever writes to it, and some devices have no end.
pub(crate) fn expect_file(path: &Path) -> Result<(), Error> {
    let found = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if found.is_file() {
        return expect(path, found.len());
    }
    let what = if found.is_dir() { "directory" } else { "pipe, a device or a socket" };
    let why = format!("it is a {what}, and what is read is a file");
    Err(Error::Unreadable { path: path.to_owned(), why })
}

fn expect(path: &Path, bytes: u64) -> Result<(), Error> {
    if bytes <= FILE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::TooLarge { path: path.to_owned(), bytes, max: FILE_BYTES_MAX })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::NotThere(path.to_owned()),
        _ => Error::Unreadable { path: path.to_owned(), why: error.to_string() },
    }
}

/// A file's JSON, of which it is known that all of it is JSON and no key stands twice in an object.
pub(crate) fn load_json(path: &Path) -> Result<Box<RawValue>, Error> {
    parse(path, &load(path)?)
}

/// The same of bytes that were read from `path`.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Box<RawValue>, Error> {
    // Some editors begin every file with a mark that isn't JSON.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let at_beginning =
        |why: String| Err(Error::Damaged { path: path.to_owned(), line: 1, column: 1, why });
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return at_beginning("it is UTF-16: save it as UTF-8".into());
    }
    if bytes.trim_ascii().is_empty() {
        return at_beginning("it is empty".into());
    }
    let damaged = |error: serde_json::Error| {
        let text = error.to_string();
        if is_too_deep(&text) {
            let (line, column) = (error.line(), error.column());
            return Error::TooDeep { path: path.to_owned(), line, column, max: DEPTH_MAX };
        }
        let place = format!(" at line {} column {}", error.line(), error.column());
        Error::Damaged {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            why: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    };
    let _: Strict = serde_json::from_slice(bytes).map_err(damaged)?;
    let raw: Box<RawValue> = serde_json::from_slice(bytes).map_err(damaged)?;
    // `serde_json` takes an object with one of its own names in it for a number.
    if (raw.get().contains("$serde_json") || raw.get().contains("\\u"))
        && let Err(InvalidJson::Reserved(name)) = Json::parse(raw.get())
    {
        return at_beginning(format!("a field can't be named `{name}`"));
    }
    Ok(raw)
}

fn is_too_deep(why: &str) -> bool {
    why.starts_with("recursion limit exceeded")
}

/// What a task of this id has can't be kept.
pub(crate) fn unkeepable(task: String, why: &InvalidJson) -> Error {
    let why = match why.to_string() {
        why if is_too_deep(&why) => format!(
            "with what is remembered of it, it is nested too deep: at most {DEPTH_MAX} levels are kept"
        ),
        why => why,
    };
    Error::Unkeepable { task, why }
}

/// The members of an object in their order; `None` if it is none.
pub(crate) fn members(raw: &RawValue) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members(Vec<(String, Box<RawValue>)>);
    struct Collect;
    impl<'de> Visitor<'de> for Collect {
        type Value = Members;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(Members(members))
        }
    }
    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Collect)
        }
    }
    serde_json::from_str::<Members>(raw.get()).ok().map(|members| members.0)
}

/// Any JSON in which no object has a key twice.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Strict;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(self)
    }

    // Numbers come so too, as an object of one member.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            // Before its value, so that the error is told of where the key is.
            if keys.contains(&key) {
                return Err(A::Error::custom(format!(
                    "the key `{key}` stands twice in one object"
                )));
            }
            members.next_value::<Strict>()?;
            keys.insert(key);
        }
        Ok(self)
    }
}
