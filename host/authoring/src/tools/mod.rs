//! What policies are built with, beside cargo: found, or installed into a directory of taskhost's own.
//!
//! - [`Tools`]: that directory, and whether anything may be installed into it.
//! - `cache`: installs a tool whole or not at all, and tells a damaged one. `python`, `node`: which tools there are, and
//!   how they are called.
//! - [`Locked`]: other packages, for whoever has a lock file of pip's or npm's.
//!
//! Versions are pinned: another version of a tool is another directory, and so two versions of taskhost don't disturb
//! each other.

mod cache;
mod locked;
mod node;
mod program;
mod python;

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::languages::Language;

pub use locked::Locked;
pub use node::{Node, Suits, VERSION as NODE_TOOL_VERSION};
pub use program::Program;
pub use python::PythonTool;

/// Longer than any build, and than an installation over a slow network mostly is.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether tools may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installing {
    /// What is missing is downloaded.
    Allowed,
    /// Nothing is downloaded.
    Forbidden,
}

/// Where the tools are, and who is told what takes long.
pub struct Tools<'a> {
    pub(crate) directory: PathBuf,
    pub(crate) installing: Installing,
    /// How long another process is waited for.
    pub(crate) patience: Duration,
    say: &'a dyn Fn(&str),
}

impl<'a> Tools<'a> {
    /// The tools in a directory, which is made when something is installed.
    #[must_use]
    pub fn in_directory(directory: &Path, installing: Installing, say: &'a dyn Fn(&str)) -> Self {
        // Tools are started in other directories.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        Self { directory, installing, patience: PATIENCE, say }
    }

    /// Waits for another process that builds the same, or installs, no longer than this; for 10 minutes otherwise.
    #[must_use]
    pub fn waiting_at_most(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The user's: `$TASKHOST_TOOLS`, or `taskhost/tools` in `$XDG_CACHE_HOME` or in `~/.cache`.
    ///
    /// # Errors
    ///
    /// If none of these variables is set, nor `HOME`.
    pub fn of_user(installing: Installing, say: &'a dyn Fn(&str)) -> Result<Self> {
        let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let named = given("TASKHOST_TOOLS").map(PathBuf::from);
        let cache = || {
            let named =
                given("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            let cache = named.or_else(|| Some(env::home_dir()?.join(".cache")))?;
            Some(cache.join("taskhost/tools"))
        };
        let directory = named.or_else(cache).ok_or_else(|| {
            let why = "there is no directory for tools: set `TASKHOST_TOOLS`, or `HOME`";
            Error::ToolMissing(why.into())
        })?;
        Ok(Self::in_directory(&directory, installing, say))
    }

    /// Finds or installs what a language is built with, and says what that is.
    ///
    /// # Errors
    ///
    /// If it isn't there and can't be installed, or may not be.
    pub fn prepare(&self, language: Language) -> Result<String> {
        let of_python = |tool: PythonTool| {
            self.python_of(tool)?;
            Ok(format!("`{}` {}", tool.package(), tool.version()))
        };
        match language {
            Language::Rust => Ok(crate::build::toolchain(self)?.to_string()),
            Language::Python => of_python(PythonTool::ComponentizePy),
            Language::C => of_python(PythonTool::Zig),
            Language::JavaScript => {
                let node = self.node()?;
                self.componentize_js(&node)?;
                Ok(format!("`componentize-js` {NODE_TOOL_VERSION} on Node.js {}", node.version))
            }
        }
    }

    pub(crate) fn say(&self, text: &str) {
        (self.say)(text);
    }

    /// What Rust is built into: shared, since the standard library may have to be compiled, once.
    pub(crate) fn rust_target(&self) -> PathBuf {
        self.directory.join("rust")
    }
}

/// The first program of this name in the path.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    first_in(&env::var_os("PATH")?, program)
}

/// Only of whole paths: others would lead into the current directory, which is somebody's project.
fn first_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    let directories = env::split_paths(path).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of `.`, or one that ends in `:`, made a `python3` of the project that was built run.
    #[test]
    fn programs_are_not_looked_for_in_the_current_directory() {
        let here = env::current_dir().expect("there is one");
        let path = |directories: &[&Path]| env::join_paths(directories).expect("no colons");
        assert!(first_in(&path(&[Path::new("."), Path::new("")]), "Cargo.toml").is_none());
        let found = first_in(&path(&[Path::new("."), &here]), "Cargo.toml");
        assert_eq!(found, Some(here.join("Cargo.toml")));
    }
}
