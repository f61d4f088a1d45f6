//! [`Setting`]: one definition that both declares a setting in `describe` and reads it in a hook, so that
//! the two can't disagree about its name, type or default.

#[cfg(target_arch = "wasm32")]
use std::{cell::RefCell, rc::Rc};

use crate::bindings::taskhost::policy::settings;
use crate::{DeclaredSetting, DurationMs, ValueType};

/// A setting of the policy, whose values are of type `T`.
///
/// ```
/// use taskhost_sdk::{Description, DurationMs, Setting};
///
/// const LEASE: Setting<DurationMs> = Setting::duration("lease", "30m", "How long a claim holds.");
///
/// fn describe() -> Description {
///     Description::new("mine", "0.1.0", "What it does.").with(&LEASE)
/// }
///
/// fn lease(wanted: Option<DurationMs>) -> DurationMs {
///     wanted.unwrap_or_else(|| LEASE.get())
/// }
/// ```
///
/// Defaults are written as a user would write them, and are empty where there is none; the host applies
/// them, and checks values against the type when they are set.
#[derive(Debug)]
pub struct Setting<T> {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    parse: fn(&str) -> Option<T>,
}

/// A [`ValueType`] that a constant can hold.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Boolean,
    Duration,
    Choice(&'static [&'static str]),
}

impl Setting<String> {
    /// Any text.
    pub const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind: Kind::Text, default, doc, parse: parse_text }
    }

    /// One of these words.
    pub const fn choice(
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Choice(words), default, doc, parse: parse_text }
    }
}

impl Setting<i64> {
    /// A whole number.
    pub const fn integer(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind: Kind::Integer, default, doc, parse: parse_integer }
    }
}

impl Setting<bool> {
    /// `true` or `false`.
    pub const fn boolean(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind: Kind::Boolean, default, doc, parse: parse_boolean }
    }
}

impl Setting<DurationMs> {
    /// A length of time, written as `30m`, `24h` or `7d` and read in milliseconds.
    pub const fn duration(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind: Kind::Duration, default, doc, parse: parse_duration }
    }
}

impl<T> Setting<T> {
    /// The value, or the default.
    ///
    /// # Panics
    ///
    /// If there is neither, or `describe` doesn't declare the setting: a mistake in the policy.
    #[must_use]
    pub fn get(&self) -> T {
        let text = read(self.name);
        text.as_deref().and_then(self.parse).unwrap_or_else(|| self.unreadable(text.as_deref()))
    }

    /// The value, or the default; `None` where both are empty.
    ///
    /// # Panics
    ///
    /// If `describe` doesn't declare the setting: a mistake in the policy.
    #[must_use]
    pub fn find(&self) -> Option<T> {
        match read(self.name).as_deref() {
            Some("") => None,
            text => Some(text.and_then(self.parse).unwrap_or_else(|| self.unreadable(text))),
        }
    }

    pub(crate) fn declaration(&self) -> DeclaredSetting {
        DeclaredSetting {
            name: self.name.to_owned(),
            value_type: self.kind.into(),
            default_value: self.default.to_owned(),
            doc: self.doc.to_owned(),
        }
    }

    fn unreadable(&self, text: Option<&str>) -> ! {
        match text {
            None => panic!("`describe` doesn't declare the setting `{}`", self.name),
            Some("") => panic!("the setting `{}` has no value and no default", self.name),
            Some(text) => panic!("the setting `{}` can't be `{text}`", self.name),
        }
    }
}

/// What a setting is set to. It is asked for once: an instance serves one board with one set of settings for as long as
/// it lives, and asking the host costs more than most of what a hook does.
#[cfg(target_arch = "wasm32")]
fn read(name: &'static str) -> Option<Rc<str>> {
    thread_local! {
        static READ: RefCell<Vec<(&'static str, Option<Rc<str>>)>> = const { RefCell::new(Vec::new()) };
    }
    READ.with_borrow_mut(|known| {
        if let Some((_, text)) = known.iter().find(|(known, _)| *known == name) {
            return text.clone();
        }
        let text = settings::get(name).map(Rc::from);
        known.push((name, text.clone()));
        text
    })
}

/// The same on a board that a test has made: the next one has others.
#[cfg(not(target_arch = "wasm32"))]
fn read(name: &'static str) -> Option<String> {
    settings::get(name)
}

impl From<Kind> for ValueType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Integer => Self::Integer,
            Kind::Boolean => Self::Boolean,
            Kind::Duration => Self::Duration,
            Kind::Choice(words) => {
                Self::Choice(words.iter().map(|&word| word.to_owned()).collect())
            }
        }
    }
}

fn parse_text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn parse_boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// The host has turned `30m` into milliseconds already.
fn parse_duration(text: &str) -> Option<DurationMs> {
    text.parse().ok()
}
