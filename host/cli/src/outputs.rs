//! Where that is kept what the commands of `run` print: in the board's own directory. Of a board that is in none, such as
//! one in PostgreSQL, it stays on the machine that the command ran on, below the board's id in the user's
//! `$XDG_STATE_HOME/taskhost/boards`, or `~/.local/state/taskhost/boards`.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use taskhost::{Board, hostname};

use crate::exit::Usage;

/// The directory of a board's `output/TASK/ATTEMPT`.
#[derive(Debug)]
pub struct Outputs {
    /// Its path, as people here know it.
    pub path: PathBuf,
    /// Whether it is the board's own, which everybody sees who sees the board.
    is_boards: bool,
}

impl Outputs {
    /// The directory, which may not be there yet if nothing ran here.
    pub fn of(board: &Board) -> Result<Self> {
        if let Some(path) = board.address().directory() {
            return Ok(Self { path: path.to_owned(), is_boards: true });
        }
        let id = board.store().id().map_err(taskhost::Error::from)?;
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            bail!(
                "the board's id `{id}` is not of letters and digits, so nothing is kept under it"
            );
        }
        let state = state(|name| std::env::var_os(name)).ok_or_else(|| {
            Usage(
                "what commands print is kept in `~/.local/state`: set `XDG_STATE_HOME`, or `HOME`"
                    .into(),
            )
        })?;
        Ok(Self { path: state.join("taskhost/boards").join(id), is_boards: false })
    }

    /// Makes it, readable for this user alone, unless it is there; gives its path wherever a command may go.
    pub fn make(&self) -> Result<PathBuf> {
        if !self.is_boards {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
            made.with_context(|| format!("`{}` can't be made", self.path.display()))?;
        }
        self.path.canonicalize().context("the directory for the commands' output can't be found")
    }

    /// What to call `output`, which is in it, wherever somebody reads of it.
    pub fn name(&self, output: &Path) -> String {
        if self.is_boards {
            return format!("the board's `{}`", output.display());
        }
        let place = self.path.join(output);
        match hostname() {
            Some(host) => format!("`{}` on `{host}`", place.display()),
            None => format!("`{}`", place.display()),
        }
    }
}

/// Where a user's programs keep what is theirs for longer than a cache.
fn state(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_where_the_user_says_or_at_home() {
        let state = |state: Option<&str>, home: Option<&str>| {
            state_of(&[("XDG_STATE_HOME", state), ("HOME", home)])
        };
        assert_eq!(state(Some("/s"), Some("/h")), Some("/s".into()));
        assert_eq!(state(Some("relative"), Some("/h")), Some("/h/.local/state".into()));
        assert_eq!(state(None, Some("/h")), Some("/h/.local/state".into()));
        assert_eq!(state(None, None), None);
    }

    fn state_of(variables: &[(&str, Option<&str>)]) -> Option<PathBuf> {
        state(|name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            value.map(OsString::from)
        })
    }
}
