//! Waiting for another process: for one that builds, or installs.
//!
//! - [`alone`]: takes a lock on a permanent file, says so if it has to wait, and gives up in time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, at};
use crate::tools::Tools;

/// How often it is tried again: short beside any build.
const EVERY: Duration = Duration::from_millis(50);

/// Waits until nobody else has the file's lock; it is held until the file is dropped. `what` is who else may have it.
pub fn alone(tools: &Tools<'_>, path: &Path, what: &str) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(at(path))?;
    let began = Instant::now();
    let mut is_said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(why)) => return Err(at(path)(why)),
        }
        let waited = began.elapsed();
        let left = tools.patience.saturating_sub(waited);
        if left.is_zero() {
            return Err(Error::Busy { what: what.to_owned(), waited });
        }
        if !is_said {
            tools.say(&format!("waiting for {what}"));
            is_said = true;
        }
        thread::sleep(left.min(EVERY));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::tools::Installing;

    #[test]
    fn whoever_waits_says_so_once_and_gives_up_in_time() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("lock");
        let said = RefCell::new(Vec::new());
        let say = |text: &str| said.borrow_mut().push(text.to_owned());
        let tools = Tools::in_directory(directory.path(), Installing::Allowed, &say)
            .waiting_at_most(EVERY * 3);
        let held = alone(&tools, &path, "another build").expect("nobody has it");
        let error = alone(&tools, &path, "another build").expect_err("it is held");
        assert!(matches!(error, Error::Busy { waited, .. } if waited >= EVERY * 3), "{error}");
        assert_eq!(*said.borrow(), ["waiting for another build"]);
        let tools = tools.waiting_at_most(Duration::ZERO);
        assert!(alone(&tools, &path, "another build").is_err());
        drop(held);
        alone(&tools, &path, "another build").expect("nobody has it any more");
        assert_eq!(said.borrow().len(), 1, "who doesn't wait says nothing of waiting");
    }

    /// The lock's file was made anew by each build, and so a link in its place, which a project may come with, had the
    /// file behind it emptied.
    #[test]
    fn nothing_is_lost_from_the_file() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("lock");
        std::fs::write(&path, "precious").expect("it can be written");
        let tools = Tools::in_directory(directory.path(), Installing::Allowed, &|_| ());
        alone(&tools, &path, "another build").expect("nobody has it");
        assert_eq!(std::fs::read(&path).ok(), Some(b"precious".to_vec()));
    }
}
