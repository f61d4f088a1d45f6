//! Texts, each once.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The place of a text among all; -1 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub(super) struct Text(i64);

impl Text {
    pub(super) const NONE: Self = Self(-1);

    /// As the text of a JSON value, in a place where a text that means itself may stand too.
    fn as_json(self) -> i64 {
        -1 - self.0
    }
}

/// All texts, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Texts {
    places: HashMap<Box<str>, i64>,
    texts: Vec<Box<str>>,
}

impl Texts {
    pub(super) fn place(&mut self, text: &str) -> Text {
        if let Some(place) = self.places.get(text) {
            return Text(*place);
        }
        let place = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        self.places.insert(text.into(), place);
        self.texts.push(text.into());
        Text(place)
    }

    pub(super) fn maybe(&mut self, text: Option<&str>) -> Text {
        text.map_or(Text::NONE, |text| self.place(text))
    }

    /// Names and values by turns: a value that isn't a text is the place of its JSON, as -1 less that.
    pub(super) fn fields(&mut self, fields: &serde_json::Map<String, Value>) -> Vec<i64> {
        let mut flat = Vec::with_capacity(fields.len() * 2);
        for (name, value) in fields {
            flat.push(self.place(name).0);
            flat.push(match value {
                Value::String(text) => self.place(text).0,
                other => self.place(&other.to_string()).as_json(),
            });
        }
        flat
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts.serialize(serializer)
    }
}
