//! The languages that policies are written in, and which file tells which.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::carried::{self, Carried};
use crate::error::{Error, Result};

/// A language that policies are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `Cargo.toml` and `src/lib.rs`.
    Rust,
    /// `policy.py`.
    Python,
    /// `policy.js`.
    JavaScript,
    /// `policy.c`.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::JavaScript, Self::C];

    /// As it is given to `--lang`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::C => "c",
        }
    }

    /// Other words that people have for it.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["py"],
            Self::JavaScript => &["js"],
            Self::Rust | Self::C => &[],
        }
    }

    /// The file that tells that a project is of this language.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "policy.py",
            Self::JavaScript => "policy.js",
            Self::C => "policy.c",
        }
    }

    /// The language of the project in a directory.
    ///
    /// # Errors
    ///
    /// If there is none, or there are several.
    pub fn of(directory: &Path) -> Result<Self> {
        let is_there = |language: &Self| directory.join(language.file()).is_file();
        let found: Vec<Self> = Self::ALL.into_iter().filter(is_there).collect();
        match found.as_slice() {
            [language] => Ok(*language),
            [] => {
                let directory = directory.to_owned();
                Err(Error::NoProject { directory, files: files(&Self::ALL, ", ") })
            }
            several => {
                let directory = directory.to_owned();
                Err(Error::Ambiguous { directory, files: files(several, " or ") })
            }
        }
    }

    /// What makes a component of a source into a policy, for whoever has taken it out.
    pub(crate) fn what_makes_a_policy(self) -> &'static str {
        match self {
            Self::Rust => {
                "in Rust, `taskhost_sdk::policy!(Policy: assignment; \"What it does.\");` in `src/lib.rs` makes it one, with \
                 the hooks that it has"
            }
            Self::Python | Self::JavaScript | Self::C => {
                "`world.wit` says what it imports and exports: let it have `include taskhost:policy/imports@0.1.0;`, `export \
                 taskhost:policy/about@0.1.0;` and its hooks, and nothing else"
            }
        }
    }

    /// The files of a new project, with places for its name.
    pub(crate) fn template(self) -> &'static [Carried] {
        match self {
            Self::Rust => carried::RUST_FILES,
            Self::Python => carried::PYTHON_FILES,
            Self::JavaScript => carried::JAVASCRIPT_FILES,
            Self::C => carried::C_FILES,
        }
    }
}

/// As people write it.
impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::C => "C",
        })
    }
}

/// In capitals or not.
impl FromStr for Language {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let word = text.to_ascii_lowercase();
        let is_it = |it: &Self| it.word() == word || it.aliases().contains(&word.as_str());
        Self::ALL.into_iter().find(is_it).ok_or_else(|| {
            let words = Self::ALL.map(|language| format!("`{}`", language.word()));
            Error::Language(text.to_owned(), words.join(", "))
        })
    }
}

fn files(languages: &[Language], between: &str) -> String {
    let name = |language: &Language| format!("{language} (`{}`)", language.file());
    languages.iter().map(name).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_has_the_words_that_people_type() {
        for (text, language) in [
            ("rust", Language::Rust),
            ("Python", Language::Python),
            ("py", Language::Python),
            ("JavaScript", Language::JavaScript),
            ("JS", Language::JavaScript),
            ("C", Language::C),
        ] {
            assert_eq!(text.parse::<Language>().ok(), Some(language), "{text}");
        }
        for text in ["", "javascript ", "cpp", "p"] {
            assert!(matches!(text.parse::<Language>(), Err(Error::Language(..))), "{text}");
        }
    }
}
