//! Why there is no project, or no component of it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the functions of this crate answer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no project, or no component of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory's name that can't be a policy's.
    #[error(
        "`{0}` can't be the name of a policy: use a letter, then at most 63 letters, digits, `-` and `_`"
    )]
    Name(String),
    /// A name that commands take for something else.
    #[error(
        "`{0}` can't be the name of a policy, since `taskhost policy set {0}` means something else: use another name"
    )]
    Word(String),
    /// A name that no crate of Rust's can have.
    #[error(
        "`{name}` can't be the name of a policy in Rust, since it is {taken}: use another name"
    )]
    Taken {
        /// The name.
        name: String,
        /// Whose it is.
        taken: &'static str,
    },
    /// There is something where the project would be made.
    #[error("`{}` is there already and isn't empty: name another directory", .0.display())]
    Exists(PathBuf),
    /// No language that is known.
    #[error("`{0}` isn't a language that policies can be written in: use one of {1}")]
    Language(String, String),
    /// No file that tells a language.
    #[error(
        "there is no policy's project in `{}`: it has none of {files} (`taskhost policy new NAME --lang LANGUAGE` makes one)",
        directory.display()
    )]
    NoProject {
        /// Where none is.
        directory: PathBuf,
        /// The files that would tell one.
        files: String,
    },
    /// Files that tell different languages.
    #[error(
        "the project in `{}` could be {files}: leave only one of these files in it",
        directory.display()
    )]
    Ambiguous {
        /// Where they are.
        directory: PathBuf,
        /// The files that tell different languages.
        files: String,
    },
    /// `world.wit` doesn't say which hooks there are.
    #[error("`world.wit` can't be understood: {0}")]
    World(String),
    /// The manifest isn't that of a policy.
    #[error("{0}")]
    Manifest(String),
    /// A program is missing that can't be installed here, or may not be.
    #[error("{0}")]
    ToolMissing(String),
    /// A program could not be installed.
    #[error("{what} could not be installed: {why}")]
    Install {
        /// What, with its version.
        what: String,
        /// What was said about it.
        why: String,
    },
    /// Somebody else was at it all the while.
    #[error(
        "{what} didn't end within {waited:.1?}: try again later, or give `--timeout` a longer time"
    )]
    Busy {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// The author's source is wrong; what the compiler said.
    #[error("the policy doesn't compile{}", after_colon(.0))]
    Source(String),
    /// The world exports a hook that the source doesn't have.
    #[error("{0}")]
    MissingHook(String),
    /// It compiles, and doesn't fit the contract.
    #[error("it compiles, but it is no policy: {}; {hint}", mismatches.join("; "))]
    NotAPolicy {
        /// What doesn't fit, a sentence each.
        mismatches: Vec<String>,
        /// What may be missing in the source.
        hint: &'static str,
    },
    /// A build failed where one before it worked.
    #[error("{why}\n`{}` is still that of the last build that worked", path.strip_prefix(".").unwrap_or(path).display())]
    Kept {
        /// Why it failed.
        why: Box<Self>,
        /// The component that was left as it was.
        path: PathBuf,
    },
    /// A file or program could not be used.
    #[error("`{}`: {why}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Not the author's doing.
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

impl Error {
    /// What went wrong, whatever is said beside it.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Kept { why, .. } => why.cause(),
            other => other,
        }
    }

    /// Whether the request is wrong, rather than what was found.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self.cause(),
            Self::Name(_)
                | Self::Word(_)
                | Self::Taken { .. }
                | Self::Exists(_)
                | Self::Language(..)
                | Self::NoProject { .. }
                | Self::Ambiguous { .. }
        )
    }

    /// A word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kept { why, .. } => why.word(),
            Self::Name(_) | Self::Word(_) | Self::Taken { .. } | Self::Language(..) => "usage",
            Self::Exists(_) => "project_exists",
            Self::NoProject { .. } | Self::Ambiguous { .. } => "no_project",
            Self::World(_) | Self::Manifest(_) | Self::Source(_) => "does_not_compile",
            Self::MissingHook(_) => "missing_hook",
            Self::NotAPolicy { .. } => "not_a_policy",
            Self::ToolMissing(_) => "tool_missing",
            Self::Install { .. } => "not_installed",
            Self::Busy { .. } => "lock_timeout",
            Self::Io { .. } => "io",
            Self::Unexpected(_) => "unexpected",
        }
    }
}

/// What a compiler said, on lines of its own; nothing if it has said it itself.
fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(":\n{}", said.trim_end()) }
}

/// Names the path in an error of the system.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |why| Error::Io { path: path.to_owned(), why }
}
