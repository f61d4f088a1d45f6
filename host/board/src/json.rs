//! JSON text that is carried but not looked into.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value as compact text: a task's data or result. In JSON formats it stands as itself, not as a
/// quoted string.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Parses `text` and keeps it in compact form; keys keep their meaning, not their order.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let value: serde_json::Value = serde_json::from_str(text)?;
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

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
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
            let value = serde_json::Value::deserialize(deserializer)?;
            Ok(value.into())
        } else {
            let text = String::deserialize(deserializer)?;
            if text.is_empty() {
                return Err(D::Error::custom("empty JSON text"));
            }
            Ok(Self(text.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
