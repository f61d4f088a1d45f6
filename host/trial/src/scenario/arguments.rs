//! The words after a step's name: what they are about, and its options.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Malformed;
use super::words::Word;

/// What is taken out of them one after the other; what is left in the end is wrong.
#[derive(Debug)]
pub(super) struct Arguments {
    positional: std::vec::IntoIter<String>,
    options: BTreeMap<String, Vec<String>>,
}

/// Options that stand alone.
const FLAGS: [&str; 4] = ["cascade", "force", "accept", "return"];

impl Arguments {
    pub(super) fn of(words: &[Word]) -> Result<Self, Malformed> {
        let mut positional = Vec::new();
        let mut options: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.text.strip_prefix("--").filter(|_| !word.quoted) else {
                positional.push(word.text.clone());
                continue;
            };
            let values = options.entry(name.to_owned()).or_default();
            if FLAGS.contains(&name) {
                continue;
            }
            let value = words.next().filter(|value| value.quoted || !value.text.starts_with("--"));
            let value = value
                .ok_or_else(|| Malformed::new(format!("`--{name}` needs a value after it")))?;
            values.push(value.text.clone());
        }
        Ok(Self { positional: positional.into_iter(), options })
    }

    /// The next word that belongs to no option.
    pub(super) fn next<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        what: &str,
    ) -> Result<T, Malformed> {
        let text = self.positional.next();
        read(what, &text.ok_or_else(|| Malformed::new(format!("{what} is missing")))?)
    }

    /// The next word that belongs to no option, if there is one.
    pub(super) fn maybe<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
    ) -> Result<Option<T>, Malformed> {
        self.positional.next().map(|text| read(&format!("`{text}`"), &text)).transpose()
    }

    /// The words that belong to no option and are left.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.positional.by_ref().collect()
    }

    /// The values of an option, which may be given several times, or with commas.
    pub(super) fn all<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Result<Vec<T>, Malformed> {
        let values = self.options.remove(name).unwrap_or_default();
        let values = values.iter().flat_map(|value| value.split(','));
        values.map(|value| read(&format!("`--{name}`"), value)).collect()
    }

    /// The value of an option that may be given once, read by `read`.
    pub(super) fn with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Malformed> {
        match self.options.remove(name).as_deref() {
            None => Ok(None),
            Some([value]) => {
                let wrong = |why| Malformed::new(format!("`--{name} {value}`: {why}"));
                read(value).map(Some).map_err(wrong)
            }
            Some(_) => Err(Malformed::new(format!("`--{name}` is given more than once"))),
        }
    }

    /// The value of an option that may be given once.
    pub(super) fn one<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Malformed> {
        self.with(name, |value| value.parse::<T>().map_err(|error| error.to_string()))
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.options.remove(name).is_some()
    }

    /// Nothing may be left.
    pub(super) fn end(mut self, step: &str) -> Result<(), Malformed> {
        if let Some(word) = self.positional.next() {
            return Err(Malformed::new(format!("`{step}` takes no `{word}` here")));
        }
        match self.options.first_key_value() {
            Some((name, _)) => Err(Malformed::new(format!("`{step}` has no option `--{name}`"))),
            None => Ok(()),
        }
    }
}

fn read<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|error| Malformed::new(format!("{what}: {error}")))
}
