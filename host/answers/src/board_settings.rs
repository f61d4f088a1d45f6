//! The board's own settings in one table: name, meaning, how a value is read and how it is shown.
//!
//! What is shown can be set again as it stands.

use std::time::Duration;

use serde_json::{Map, Value};
use taskhost::domain::Limits;
use taskhost::domain::quantity::{bytes, duration, show_bytes, show_duration};
use taskhost::{Address, BoardSettings, HookLimits, PolicyLimits};

/// The setting whose value is a directory that has to be shared too.
pub const SHARED_FILES: &str = "shared_files";

/// As long as the path of a directory may be: a board that moves to a database brings it along as a name.
const SHARED_NAME_BYTES_MAX: usize = 4096;

/// One of the board's own settings.
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    read: fn(&mut BoardSettings, &str, &Address) -> Result<(), String>,
    unset: fn(&mut BoardSettings),
    show: fn(&BoardSettings) -> String,
}

/// All of them.
pub static ALL: [Setting; 10] = [
    Setting {
        name: "unfenced",
        doc: "accept `complete`, `fail`, `release`, `block` and `heartbeat` without a token",
        read: |settings, text, _| {
            settings.unfenced = boolean(text)?;
            Ok(())
        },
        unset: |settings| settings.unfenced = false,
        show: |settings| settings.unfenced.to_string(),
    },
    Setting {
        name: "fallback",
        doc: "where the board's own policy fails the standard one decides, and the history says so",
        read: |settings, text, _| {
            settings.fallback = boolean(text)?;
            Ok(())
        },
        unset: |settings| settings.fallback = false,
        show: |settings| settings.fallback.to_string(),
    },
    Setting {
        name: SHARED_FILES,
        doc: "a directory, or in PostgreSQL a name, where policies of several boards may read and write; empty for none",
        read: |settings, text, board| {
            settings.shared_files = shared_files(text, board)?;
            Ok(())
        },
        unset: |settings| settings.shared_files = None,
        show: |settings| settings.shared_files.clone().unwrap_or_default(),
    },
    Setting {
        name: "policy_deadline",
        doc: "how long a policy may take for a call",
        read: |settings, text, _| {
            settings.policy_limits.deadline_ms = Some(deadline_ms(text)?);
            Ok(())
        },
        unset: |settings| settings.policy_limits.deadline_ms = None,
        show: |settings| {
            let usual = || millis(HookLimits::default().deadline);
            show_duration(settings.policy_limits.deadline_ms.unwrap_or_else(usual))
        },
    },
    Setting {
        name: "policy_memory",
        doc: "how much memory an instance of a policy may have",
        read: |settings, text, _| {
            settings.policy_limits.memory_bytes = Some(memory_bytes(text)?);
            Ok(())
        },
        unset: |settings| settings.policy_limits.memory_bytes = None,
        show: |settings| {
            let usual = || HookLimits::default().memory_bytes_max as u64;
            show_bytes(settings.policy_limits.memory_bytes.unwrap_or_else(usual))
        },
    },
    Setting {
        name: "policy_steps",
        doc: "how many steps policies may take in one transaction",
        read: |settings, text, _| {
            settings.policy_limits.steps = Some(steps(text)?);
            Ok(())
        },
        unset: |settings| settings.policy_limits.steps = None,
        show: |settings| Limits::default().steps_of(&settings.policy_limits).to_string(),
    },
    Setting {
        name: "history_age",
        doc: "how long the history of what was compacted is kept, or `forever`",
        read: |settings, text, _| {
            settings.history.age_ms = duration_or(text, "forever")?;
            Ok(())
        },
        unset: |settings| settings.history.age_ms = None,
        show: |settings| settings.history.age_ms.map_or("forever".into(), show_duration),
    },
    Setting {
        name: "history_size",
        doc: "how much of that history is kept, or `unlimited`",
        read: |settings, text, _| {
            settings.history.bytes = bytes_or(text, "unlimited")?;
            Ok(())
        },
        unset: |settings| settings.history.bytes = None,
        show: |settings| settings.history.bytes.map_or("unlimited".into(), show_bytes),
    },
    Setting {
        name: "compact_size",
        doc: "from which size on the journal is compacted by itself, or `never`",
        read: |settings, text, _| {
            settings.compact_bytes = Some(compact_bytes(text)?);
            Ok(())
        },
        unset: |settings| settings.compact_bytes = None,
        show: |settings| settings.compact_bytes().map_or("never".into(), show_bytes),
    },
    Setting {
        name: "keys_kept",
        doc: "how long request keys are remembered",
        read: |settings, text, _| {
            settings.keys_kept_ms = Some(keys_kept_ms(text)?);
            Ok(())
        },
        unset: |settings| settings.keys_kept_ms = None,
        show: |settings| show_duration(settings.keys_kept_ms()),
    },
];

/// The setting of this name.
pub fn find(name: &str) -> Result<&'static Setting, String> {
    ALL.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let names: Vec<String> = ALL.iter().map(|found| format!("`{}`", found.name)).collect();
        format!(
            "a board has no setting `{name}`: it has {}; a policy's settings are set with `policy set`",
            names.join(", ")
        )
    })
}

/// The settings that aren't as every board is made, by name.
pub fn unusual(settings: &BoardSettings) -> Map<String, Value> {
    let usual = BoardSettings::default();
    let shown = ALL.iter().map(|setting| (setting, setting.show(settings)));
    shown
        .filter(|(setting, value)| *value != setting.show(&usual))
        .map(|(setting, value)| (setting.name.to_owned(), Value::String(value)))
        .collect()
}

impl Setting {
    /// Sets it for the board that is there. Given its default, it is as if it had never been set.
    pub fn set(
        &self,
        settings: &mut BoardSettings,
        text: &str,
        board: &Address,
    ) -> Result<(), String> {
        (self.read)(settings, text, board)
            .map_err(|why| format!("`{}` can't be `{text}`: {why}", self.name))?;
        if self.show(settings) == self.show(&BoardSettings::default()) {
            self.unset(settings);
        }
        Ok(())
    }

    /// Gives it its default again.
    pub fn unset(&self, settings: &mut BoardSettings) {
        (self.unset)(settings);
    }

    /// Its value as it can be set.
    pub fn show(&self, settings: &BoardSettings) -> String {
        (self.show)(settings)
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "it is `true` or `false`".into())
}

/// What names the files that boards share: beside a board in files a directory that must be there, by its whole path, for
/// whoever opens the board works elsewhere; in a database any text. None if nothing is named.
pub fn shared_files(text: &str, board: &Address) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if board.directory().is_none() {
        let is_name = text.len() <= SHARED_NAME_BYTES_MAX && !text.contains(char::is_control);
        let why = || format!("it is a line of at most {SHARED_NAME_BYTES_MAX} bytes");
        return if is_name { Ok(Some(text.to_owned())) } else { Err(why()) };
    }
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    if !path.is_dir() {
        return Err("there is no such directory: make it first".into());
    }
    path.to_str()
        .map(|path| Some(path.to_owned()))
        .ok_or_else(|| "its whole path isn't UTF-8".into())
}

fn deadline_ms(text: &str) -> Result<u64, String> {
    let deadline = duration(text)?;
    let allowed = Duration::from_millis(1)..=HookLimits::DEADLINE_SETTABLE_MAX;
    if allowed.contains(&deadline) {
        Ok(millis(deadline))
    } else {
        Err("it is at least `1ms`, or no policy could answer, and at most `1m`, because others wait meanwhile".into())
    }
}

fn memory_bytes(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if (1 << 20..=HookLimits::MEMORY_SETTABLE_MAX).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("it is at least `1MiB`, or no policy could run, and at most `4GiB`".into())
    }
}

fn steps(text: &str) -> Result<u32, String> {
    let steps =
        text.parse().ok().filter(|steps| (1..=PolicyLimits::STEPS_SETTABLE_MAX).contains(steps));
    steps.ok_or_else(|| "it is a whole number from 1 to 100000".into())
}

fn compact_bytes(text: &str) -> Result<u64, String> {
    match bytes_or(text, "never")? {
        None => Ok(0),
        Some(bytes) if bytes >= 64 << 10 => Ok(bytes),
        Some(_) => {
            Err("it is at least `64KiB`, or the board would do little else, or `never`".into())
        }
    }
}

fn keys_kept_ms(text: &str) -> Result<u64, String> {
    let kept = duration(text)?;
    if kept >= Duration::from_secs(60) {
        Ok(millis(kept))
    } else {
        Err("it is at least `1m`, or a request could not be repeated".into())
    }
}

fn duration_or(text: &str, word: &str) -> Result<Option<u64>, String> {
    if text == word { Ok(None) } else { Ok(Some(millis(duration(text)?))) }
}

fn bytes_or(text: &str, word: &str) -> Result<Option<u64>, String> {
    if text == word { Ok(None) } else { Ok(Some(bytes(text)?)) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_files() -> Address {
        "board".into()
    }

    #[track_caller]
    fn check(name: &str, text: &str, shown: Option<&str>) {
        let mut settings = BoardSettings::default();
        let setting = find(name).unwrap();
        let set = setting.set(&mut settings, text, &in_files()).map(|()| setting.show(&settings));
        assert_eq!(set.as_deref().ok(), shown, "{set:?}");
    }

    #[test]
    fn every_setting_shows_what_can_be_set_again_and_its_default_is_as_if_never_set() {
        let usual = BoardSettings::default();
        for setting in &ALL {
            let mut settings = usual.clone();
            let shown = setting.show(&settings);
            setting.set(&mut settings, &shown, &in_files()).unwrap();
            assert_eq!(settings, usual, "{}", setting.name);
        }
        assert!(unusual(&usual).is_empty());
    }

    #[test]
    fn values_are_shown_in_the_largest_whole_units() {
        check("policy_deadline", "1500ms", Some("1s500ms"));
        check("policy_deadline", "60s", Some("1m"));
        check("policy_memory", "134217728", Some("128MiB"));
        check("policy_steps", "1000", Some("1000"));
        check("history_age", "48h", Some("2d"));
        check("history_age", "forever", Some("forever"));
        check("history_size", "100MB", Some("100000000"));
        check("compact_size", "never", Some("never"));
        check("keys_kept", "60s", Some("1m"));
        check("fallback", "true", Some("true"));
    }

    #[test]
    fn values_that_would_stop_a_board_are_refused() {
        for (name, text) in [
            ("policy_deadline", "0s"),
            ("policy_deadline", "61s"),
            ("policy_memory", "1023KiB"),
            ("policy_memory", "5GiB"),
            ("policy_steps", "0"),
            ("policy_steps", "100001"),
            ("compact_size", "1KiB"),
            ("compact_size", "0"),
            ("keys_kept", "59s"),
            ("unfenced", "yes"),
            ("shared_files", "/no/such/directory"),
            ("history_age", "long"),
        ] {
            check(name, text, None);
        }
    }

    #[test]
    fn files_are_shared_in_a_database_by_a_name() {
        // A name was taken for a directory there as well, and refused because it wasn't one.
        let database: Address = "postgres://ada@localhost/work".into();
        let mut settings = BoardSettings::default();
        let setting = find(SHARED_FILES).unwrap();
        setting.set(&mut settings, "books", &database).unwrap();
        assert_eq!(settings.shared_files.as_deref(), Some("books"));
        setting.set(&mut settings, "two\nlines", &database).unwrap_err();
        setting.set(&mut settings, "", &database).unwrap();
        assert_eq!(settings, BoardSettings::default());
    }

    #[test]
    fn unusual_settings_are_named_as_they_are_set() {
        let mut settings = BoardSettings::default();
        find("policy_memory").unwrap().set(&mut settings, "128MiB", &in_files()).unwrap();
        find("compact_size").unwrap().set(&mut settings, "never", &in_files()).unwrap();
        let unusual = Value::Object(unusual(&settings));
        assert_eq!(
            unusual,
            serde_json::json!({ "policy_memory": "128MiB", "compact_size": "never" })
        );
    }

    #[test]
    fn setting_that_there_is_not_is_answered_with_those_there_are() {
        let why = find("lease").unwrap_err();
        assert!(why.contains("`keys_kept`") && why.contains("policy set"), "{why}");
    }
}
