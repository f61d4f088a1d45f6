//! Building the answer to `about.describe`.

use crate::{Description, Setting};

impl Description {
    /// A policy without settings. `version` is usually `env!("CARGO_PKG_VERSION")`; `summary` is one line.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            settings: Vec::new(),
        }
    }

    /// Adds a setting. Only settings that are declared so can be set and read.
    #[must_use]
    pub fn with<T>(mut self, setting: &Setting<T>) -> Self {
        self.settings.push(setting.declaration());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueType;

    #[test]
    fn settings_are_declared_in_order_with_their_types() {
        const COLOUR: Setting<String> =
            Setting::choice("colour", &["red", "green"], "red", "What colour.");
        const COUNT: Setting<i64> = Setting::integer("count", "5", "How many.");

        let settings = Description::new("p", "1", "s").with(&COLOUR).with(&COUNT).settings;

        assert_eq!(settings.len(), 2);
        assert_eq!(
            settings[0].value_type,
            ValueType::Choice(vec!["red".to_owned(), "green".to_owned()])
        );
        assert_eq!((settings[1].name.as_str(), settings[1].default_value.as_str()), ("count", "5"));
    }
}
