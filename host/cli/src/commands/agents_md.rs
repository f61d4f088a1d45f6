//! The paragraph in AGENTS.md that leads a project's agents to its board.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::exit::Usage;

/// By this it is found again, however the words around it change.
const MARK: &str = "<!-- taskhost -->";

/// What was done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Created,
    Added,
    /// The paragraph stood there already.
    Already,
}

/// Whether the paragraph could be added: asked before anything else is done.
///
/// A link is followed only inside the directory: one that came with somebody's repository may lead anywhere.
pub fn check(directory: &Path) -> Result<(), Usage> {
    let path = directory.join("AGENTS.md");
    if fs::symlink_metadata(&path).is_err() {
        return Ok(());
    }
    let is_file = fs::metadata(&path).is_ok_and(|found| found.is_file());
    let inside = || Ok::<_, io::Error>(path.canonicalize()?.starts_with(directory.canonicalize()?));
    if is_file && inside().unwrap_or_default() {
        return Ok(());
    }
    Err(Usage(format!(
        "`{}` isn't a file of this directory: nothing was done; without `--agents-md` the board is made",
        path.display()
    )))
}

/// Adds the paragraph to `AGENTS.md` in `directory`, once; says which file that is.
///
/// The file is people's own: it grows by the paragraph, and nothing else of it changes. A link leads to the file that is
/// meant, as where `AGENTS.md` and `CLAUDE.md` are one.
pub fn add(directory: &Path, taskhost: &str) -> Result<(PathBuf, Written), Usage> {
    let path = directory.join("AGENTS.md");
    let failed =
        |error: &io::Error| Usage(format!("`{}` can't be written: {error}", path.display()));
    let before = match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let found = before.as_deref().unwrap_or_default();
    if found.windows(MARK.len()).any(|part| part == MARK.as_bytes()) {
        return Ok((path, Written::Already));
    }
    let gap = match found {
        [] => "",
        [.., b'\n', b'\n'] => "",
        [.., b'\n'] => "\n",
        _ => "\n\n",
    };
    let append = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(format!("{gap}{}", paragraph(taskhost)).as_bytes())?;
        file.sync_all()
    };
    append().map_err(|error| failed(&error))?;
    Ok((path, if before.is_some() { Written::Added } else { Written::Created }))
}

fn paragraph(taskhost: &str) -> String {
    format!(
        "{MARK}
## Tasks

Work here is shared out by a taskhost board. Before you start, run `{taskhost} prime --agent NAME` with your own name, or
call the tool `board_explain` if you have the tools `board_…`: it says what you hold, what is ready, and how to go on.

- Work only on tasks that you have claimed (`{taskhost} claim --agent NAME`, or `board_next`), and keep the token.
- End every claim: `complete`, `fail`, `release`, or `block` with a question for a human (`board_finish`).
- If you are told that a task is somebody else's now (exit code 4, `stale_token`), stop working on it.
- Add what you find to be done besides (`{taskhost} add`, or `board_add`) instead of keeping a list of your own.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(before: Option<&str>) -> (Written, String) {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join("AGENTS.md");
        if let Some(text) = before {
            fs::write(&path, text).unwrap();
        }
        let (at, written) = add(project.path(), "taskhost").unwrap();
        assert_eq!(at, path);
        (written, fs::read_to_string(path).unwrap())
    }

    #[test]
    fn paragraph_is_added_once_and_the_rest_stays() {
        let (first, alone) = written(None);
        assert_eq!(first, Written::Created);
        for (before, gap) in [("# Ours", "\n\n"), ("# Ours\n", "\n"), ("# Ours\n\n", "")] {
            let (how, text) = written(Some(before));
            assert_eq!((how, text), (Written::Added, format!("{before}{gap}{alone}")));
        }
        let (again, text) = written(Some(&alone));
        assert_eq!((again, text), (Written::Already, alone));
    }

    // A link in a repository that somebody had cloned led to a file of theirs elsewhere, which was written.
    #[test]
    fn link_is_followed_only_inside_and_nothing_but_a_file_is_written() {
        let (project, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = project.path().join("AGENTS.md");
        assert!(check(project.path()).is_ok());
        for target in [other.path().join("nothing"), other.path().to_owned()] {
            std::os::unix::fs::symlink(target, &path).unwrap();
            assert!(check(project.path()).is_err());
            fs::remove_file(&path).unwrap();
        }
        fs::write(project.path().join("CLAUDE.md"), "").unwrap();
        std::os::unix::fs::symlink("CLAUDE.md", &path).unwrap();
        assert!(check(project.path()).is_ok());
    }

    #[test]
    fn file_that_is_not_text_is_left_whole() {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join("AGENTS.md");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(add(project.path(), "taskhost").unwrap().1, Written::Added);
        assert!(fs::read(path).unwrap().starts_with(b"\xff\xfe"));
    }
}
