//! JSON text that is carried but not looked into.
//!
//! Invariant: what was taken in can be read again, however deep it stands in a line of a journal, and says the same
//! then.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value as compact text: a task's data or result. In JSON formats it stands as itself, not as a
/// quoted string.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

/// Names by which `serde_json` tells its own numbers and texts from objects: it takes an object that has one of them
/// for something else, or for an error.
const RESERVED: [&str; 2] = ["$serde_json::private::Number", "$serde_json::private::RawValue"];

/// A text that isn't JSON, or not JSON that can be kept.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJson {
    /// It isn't JSON.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    /// An object in it has a field that can't be kept.
    #[error("a field can't be named `{0}`: choose another name")]
    Reserved(&'static str),
}

impl Json {
    /// Parses `text` and keeps it in compact form; keys keep their meaning, not their order.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Self::compact(raw)
    }

    fn compact(raw: &RawValue) -> Result<Self, InvalidJson> {
        if let Some(name) = reserved(raw.get())? {
            return Err(InvalidJson::Reserved(name));
        }
        let value: serde_json::Value = serde_json::from_str(raw.get())?;
        Ok(Self(value.to_string().into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`, which stands for "none given".
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }
}

impl Default for Json {
    fn default() -> Self {
        Self("null".into())
    }
}

impl TryFrom<serde_json::Value> for Json {
    type Error = InvalidJson;
    /// Refuses what couldn't be read again: a value may have been made deeper than any text that is taken.
    fn try_from(value: serde_json::Value) -> Result<Self, InvalidJson> {
        Self::parse(&value.to_string())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let raw: &RawValue =
                serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
            raw.serialize(serializer)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // As a text of its own, so that it may be as deep here as where it was given.
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            Self::compact(&raw).map_err(D::Error::custom)
        } else {
            let text = String::deserialize(deserializer)?;
            if text.is_empty() {
                return Err(D::Error::custom("empty JSON text"));
            }
            Ok(Self(text.into()))
        }
    }
}

/// The first field of some object in `text`, which is JSON, that has a reserved name.
fn reserved(text: &str) -> Result<Option<&'static str>, serde_json::Error> {
    // Nearly every text has neither the names nor letters in disguise.
    if !text.contains("$serde_json") && !text.contains("\\u") {
        return Ok(None);
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = text[at..].find('"').map(|found| at + found) {
        let mut end = start + 1;
        while bytes.get(end).is_some_and(|byte| *byte != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        at = end + 1;
        if text[at..].trim_start().starts_with(':') {
            let name: String = serde_json::from_str(&text[start..at])?;
            if let Some(found) = RESERVED.into_iter().find(|reserved| *reserved == name) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A result of 125 lists in each other was taken and acknowledged, and its line in the journal, in which it stands
    /// four levels deeper, couldn't be read by anybody afterwards: the board was damaged.
    #[test]
    fn what_was_taken_can_be_read_however_deep_it_stands() {
        for depth in [1, 100, 123, 127] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            let json = Json::parse(&text).expect("it is JSON");
            let mut line = serde_json::to_string(&json).expect("it can be written");
            for _ in 0..20 {
                line = format!("[{line}]");
            }
            #[derive(Deserialize)]
            struct Inside([[[[Json; 1]; 1]; 1]; 1]);
            let line = &line[16..line.len() - 16];
            let Inside([[[[read]]]]) = serde_json::from_str(line).expect("it can be read back");
            assert_eq!(read, json);
        }
        assert!(Json::parse(&"[".repeat(128)).is_err());
    }

    /// An object with the names that `serde_json` uses inside came back as a number or as another object; with another
    /// field beside it, the line it stood in couldn't be read any more.
    #[test]
    fn objects_that_would_be_taken_for_something_else_are_refused() {
        for text in [
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"[{"a":1, "$serde_json::private::Number" : "1"}]"#,
            r#"{"\\":1,"\u0024serde_json::private::RawValue":"[1]"}"#,
        ] {
            let error = Json::parse(text).expect_err(text);
            assert!(matches!(error, InvalidJson::Reserved(_)), "{error}");
            assert!(serde_json::from_str::<Json>(text).is_err(), "{text}");
        }
        for text in [
            r#"["$serde_json::private::Number"]"#,
            r#"{"a":"$serde_json::private::Number\u0000\":"}"#,
        ] {
            assert_eq!(Json::parse(text).expect(text).as_str(), text);
        }
    }

    /// A task's data came back with its large numbers rounded, and with them other systems' ids.
    #[test]
    fn numbers_come_back_digit_for_digit() {
        for text in
            ["12345678901234567890123", "0.1000000000000000055511151231257827", "[1,-0.0,1e400]"]
        {
            let json = Json::parse(text).expect("it is JSON");
            assert_eq!(json.as_str().replace("1e+400", "1e400"), text);
            let line = serde_json::to_string(&json).expect("it can be written");
            let read: Json = serde_json::from_str(&line).expect("it can be read back");
            assert_eq!(read, json);
        }
    }
}
