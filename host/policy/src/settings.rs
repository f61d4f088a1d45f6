//! A policy's settings: checking what a user wrote against what the policy declares, and turning it into
//! what the policy reads.

use taskhost_board::{Description, PolicyPin, SettingDeclaration, SettingType, quantity};

use crate::own_limits::{OwnLimits, PREFIX};
use crate::state::Settings;

/// What the policy reads: the declared defaults with the pin's values over them, durations in milliseconds.
///
/// # Errors
///
/// Every value that isn't of its type and every name that isn't declared, with what is allowed.
pub(crate) fn resolve(pin: &PolicyPin, about: &Description) -> Result<Settings, String> {
    let mut settings = Settings::new();
    let mut wrong = Vec::new();
    for declared in &about.settings {
        let written = pin.settings.get(&declared.name).unwrap_or(&declared.default);
        match read(declared, written) {
            Ok(value) => {
                settings.insert(declared.name.clone(), value);
            }
            Err(error) => wrong.push(error),
        }
    }
    wrong.extend(OwnLimits::of(pin).err());
    let known = |name: &str| {
        name.starts_with(PREFIX) || about.settings.iter().any(|declared| declared.name == name)
    };
    for name in pin.settings.keys().filter(|name| !known(name)) {
        wrong.push(format!("`{}` has no setting `{name}`: {}", about.name, allowed(about)));
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong.join("; ")) }
}

/// A value as the policy reads it.
pub(crate) fn read(declared: &SettingDeclaration, written: &str) -> Result<String, String> {
    // Where the default is nothing, nothing can be set too.
    if written.is_empty() && declared.default.is_empty() {
        return Ok(String::new());
    }
    let value = match &declared.setting_type {
        SettingType::Text => Some(written.to_owned()),
        SettingType::Integer => written.parse::<i64>().ok().map(|number| number.to_string()),
        SettingType::Boolean => matches!(written, "true" | "false").then(|| written.to_owned()),
        SettingType::Duration => duration_ms(written).map(|ms| ms.to_string()),
        SettingType::Choice(words) => {
            words.iter().any(|word| word == written).then(|| written.to_owned())
        }
    };
    value.ok_or_else(|| {
        let name = &declared.name;
        format!("`{name}` can't be `{written}`: it is {}", values(&declared.setting_type))
    })
}

/// A length of time, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    quantity::duration(text).ok()?.as_millis().try_into().ok()
}

fn values(setting_type: &SettingType) -> String {
    match setting_type {
        SettingType::Text => "a text".into(),
        SettingType::Integer => "a whole number".into(),
        SettingType::Boolean => "`true` or `false`".into(),
        SettingType::Duration => {
            "a length of time such as `30m`, `24h`, `90s`, `500ms` or `0`".into()
        }
        SettingType::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("one of {}", words.join(", "))
        }
    }
}

fn allowed(about: &Description) -> String {
    let names: Vec<String> =
        about.settings.iter().map(|setting| format!("`{}`", setting.name)).collect();
    if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskhost_board::Digest;

    fn setting(name: &str, setting_type: SettingType, default: &str) -> SettingDeclaration {
        let (name, default) = (name.to_owned(), default.to_owned());
        SettingDeclaration { name, setting_type, default, doc: String::new() }
    }

    fn about() -> Description {
        Description {
            name: "example".into(),
            version: "1".into(),
            summary: String::new(),
            settings: vec![
                setting("lease", SettingType::Duration, "30m"),
                setting("limit", SettingType::Integer, ""),
                setting("mode", SettingType::Choice(vec!["a".into(), "b".into()]), "a"),
            ],
            hooks: Vec::new(),
        }
    }

    fn resolved(settings: &[(&str, &str)]) -> Result<Settings, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let pin =
            PolicyPin { digest: Digest::of(b""), settings: settings.iter().map(own).collect() };
        resolve(&pin, &about())
    }

    #[test]
    fn durations_are_read_in_milliseconds() {
        for (text, ms) in [
            ("0", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "5", "m", "-1s", "1.5h", "1 h", "1w", "99999999999999999999s", "1h2"] {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn pin_overrides_defaults() {
        let settings = resolved(&[("mode", "b")]).expect("allowed");
        let values: Vec<&str> = settings.values().map(String::as_str).collect();
        assert_eq!(values, ["1800000", "", "b"]);
    }

    #[test]
    fn every_wrong_setting_is_named_with_what_is_allowed() {
        let wrong =
            resolved(&[("mode", "c"), ("limit", "two"), ("lease", "soon"), ("leese", "1m")])
                .expect_err("four of four are wrong");
        for words in [
            "`c`: it is one of `a`, `b`",
            "a whole number",
            "such as `30m`",
            "`leese`: it has `lease`",
        ] {
            assert!(wrong.contains(words), "{wrong}");
        }
    }
}
