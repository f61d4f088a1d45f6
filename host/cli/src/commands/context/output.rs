//! What `run` left of a task's attempts: `output/TASK/ATTEMPT/FILE` of the board, or of the directory that it has here.
//!
//! The commands that `run` ran could write there whatever they liked. So no symbolic link is followed below the
//! board's directory, and only plain files count: nobody is led to other files by one, or waits on a pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use taskhost::{Millis, TaskId};

/// How many files are listed at most.
const FILES_MAX: usize = 10_000;

/// A file that an attempt left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    attempt: String,
    file: String,
}

/// A file that an attempt left, as a list shows it.
pub struct Left {
    pub place: Place,
    pub bytes: u64,
    pub changed_at: Millis,
}

/// The place that a key `output/ATTEMPT/FILE` names.
pub fn place(key: &str) -> Option<Place> {
    let (attempt, file) = key.strip_prefix("output/")?.split_once('/')?;
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    (is_name(attempt) && is_name(file))
        .then(|| Place { attempt: attempt.to_owned(), file: file.to_owned() })
}

/// Opens the file; `None` if there is no such plain file.
pub fn open(board: &Path, task: &TaskId, place: &Place) -> io::Result<Option<File>> {
    let Some(of_task) = of_task(board, task)? else { return Ok(None) };
    let Some(of_attempt) = directory(of_task, &place.attempt)? else { return Ok(None) };
    // A pipe that nobody writes to mustn't be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Some(file) = there(openat(of_attempt, &*place.file, flags, Mode::empty()))? else {
        return Ok(None);
    };
    let file = File::from(file);
    Ok(file.metadata()?.is_file().then_some(file))
}

/// The plain files that attempts left, by attempt and name.
pub fn list(board: &Path, task: &TaskId) -> io::Result<Vec<Left>> {
    let mut found = Vec::new();
    let Some(of_task) = of_task(board, task)? else { return Ok(found) };
    for attempt in names(&of_task)? {
        let Some(of_attempt) = directory(&of_task, &attempt)? else { continue };
        for file in names(&of_attempt)? {
            let Some(stat) = there(statat(&of_attempt, &*file, AtFlags::SYMLINK_NOFOLLOW))? else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                continue;
            }
            if found.len() == FILES_MAX {
                return Ok(found);
            }
            let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
            let ms = seconds.saturating_mul(1_000) + stat.st_mtime_nsec / 1_000_000;
            found.push(Left {
                place: Place { attempt: attempt.clone(), file },
                bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                changed_at: Millis(ms),
            });
        }
    }
    Ok(found)
}

fn of_task(board: &Path, task: &TaskId) -> io::Result<Option<OwnedFd>> {
    let board = match File::open(board) {
        // Nothing ran here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let Some(output) = directory(board, "output")? else { return Ok(None) };
    directory(output, task.as_str())
}

fn directory(at: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    there(openat(at, name, flags, Mode::empty()))
}

/// `None` for what isn't there, or isn't what it should be: a link, or a file in a directory's place.
fn there<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The names in a directory; numbers count as numbers, so that the tenth attempt comes after the ninth.
fn names(directory: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        // A name that isn't UTF-8 can't be asked for either.
        if let Ok(name) = entry?.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_owned());
        }
    }
    let number = |name: &str| {
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        name[..digits].parse::<u64>().unwrap_or_default()
    };
    names.sort_by(|a, b| (number(a), a).cmp(&(number(b), b)));
    Ok(names)
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "output/{}/{}", self.attempt, self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn task() -> TaskId {
        TaskId::new("t").unwrap()
    }

    fn read(board: &Path, key: &str) -> Option<String> {
        let mut file = open(board, &task(), &place(key).unwrap()).unwrap()?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn what_attempts_left_is_listed_and_read() {
        let board = tempfile::tempdir().unwrap();
        for attempt in ["10", "9", "9-token-4"] {
            let dir = board.path().join("output/t").join(attempt);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("stdout"), attempt).unwrap();
        }
        let left = list(board.path(), &task()).unwrap();
        let keys: Vec<String> = left.iter().map(|left| left.place.to_string()).collect();
        assert_eq!(keys, ["output/9/stdout", "output/9-token-4/stdout", "output/10/stdout"]);
        assert_eq!(left[2].bytes, 2);
        assert_eq!(read(board.path(), "output/9-token-4/stdout").as_deref(), Some("9-token-4"));
        assert_eq!(read(board.path(), "output/11/stdout"), None);
        assert_eq!(read(board.path(), "output/10/stderr"), None);
    }

    #[test]
    fn board_on_which_nothing_ran_has_nothing_left() {
        let board = tempfile::tempdir().unwrap();
        assert!(list(board.path(), &task()).unwrap().is_empty());
        assert_eq!(read(board.path(), "output/1/stdout"), None);
    }

    #[test]
    fn nobody_is_led_elsewhere_by_what_a_command_left() {
        let board = tempfile::tempdir().unwrap();
        let secret = tempfile::tempdir().unwrap();
        fs::write(secret.path().join("stdout"), "secret").unwrap();
        let of_task = board.path().join("output/t");
        fs::create_dir_all(of_task.join("1/folder")).unwrap();
        symlink(secret.path().join("stdout"), of_task.join("1/stdout")).unwrap();
        symlink(secret.path(), of_task.join("2")).unwrap();
        let fifo = of_task.join("1/fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert!(list(board.path(), &task()).unwrap().is_empty());
        for key in ["output/1/stdout", "output/2/stdout", "output/1/folder", "output/1/fifo"] {
            assert_eq!(read(board.path(), key), None, "{key}");
        }
        fs::remove_dir_all(&of_task).unwrap();
        symlink(secret.path(), &of_task).unwrap();
        assert!(list(board.path(), &task()).unwrap().is_empty());
    }
}
