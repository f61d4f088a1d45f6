//! Locks and files while a hook runs: noted, or answered from the notes.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::bytes::Bytes;
use super::desk::Shared;
use super::notes::{FileAnswer, FileQuestion, LockAnswer};
use crate::{Digest, FileFailure, LifeGuard, LockFailure, Place, Powers};

/// The desks of the hooks that run now. All transactions of a process share the store's powers; a hook runs on the
/// thread that calls it, which is how they are told apart.
#[derive(Default)]
pub(super) struct Running(Mutex<HashMap<ThreadId, Shared>>);

/// As long as this lives, what the thread asks of the powers is noted at its desk.
pub(super) struct Begun<'a>(&'a Running);

impl Running {
    pub(super) fn begin(&self, desk: &Shared) -> Begun<'_> {
        self.0.lock().insert(thread::current().id(), desk.clone());
        Begun(self)
    }

    fn desk(&self) -> Option<Shared> {
        self.0.lock().get(&thread::current().id()).cloned()
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&thread::current().id());
    }
}

/// The store's powers, with notes taken.
pub(super) struct Noted {
    pub(super) behind: Arc<dyn Powers>,
    pub(super) running: Arc<Running>,
}

fn replacing(at: Place, name: &str, content: &[u8], expected: Option<&[u8]>) -> FileQuestion {
    let (content, expected) = (Digest::of(content), expected.map(Digest::of));
    FileQuestion::Replace { at, name: name.to_owned(), content, expected }
}

fn file_failure(failure: &FileFailure) -> FileAnswer {
    match failure {
        FileFailure::NotFound => FileAnswer::NotFound,
        FileFailure::Changed => FileAnswer::Changed,
        FileFailure::Forbidden(text) => FileAnswer::Forbidden(text.clone()),
        FileFailure::TooLarge => FileAnswer::TooLarge,
        FileFailure::Failed(text) => FileAnswer::Failed(text.clone()),
    }
}

impl Powers for Noted {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        let Some(desk) = self.running.desk() else { return self.behind.lock(name, timeout) };
        let began = Instant::now();
        let locked = self.behind.lock(name, timeout);
        let answer = match &locked {
            Ok(_) => {
                let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                LockAnswer::Given { waited_ms }
            }
            Err(LockFailure::Timeout) => LockAnswer::Timeout,
            Err(LockFailure::Limit(text)) => LockAnswer::Limit(text.clone()),
            Err(LockFailure::Failed(text)) => LockAnswer::Failed(text.clone()),
        };
        desk.lock().note(name.to_owned(), |notes| &mut notes.locks, answer);
        locked
    }

    fn read(&self, at: Place, name: &str, timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        let read = self.behind.read(at, name, timeout);
        if let Some(desk) = self.running.desk() {
            let answer = match &read {
                Ok(content) => FileAnswer::Content(Bytes(content.clone())),
                Err(failure) => file_failure(failure),
            };
            let question = FileQuestion::Read { at, name: name.to_owned() };
            desk.lock().note(question, |notes| &mut notes.files, answer);
        }
        read
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), FileFailure> {
        let replaced = self.behind.replace(at, name, content, expected, timeout);
        if let Some(desk) = self.running.desk() {
            let answer = match &replaced {
                Ok(()) => FileAnswer::Replaced,
                Err(failure) => file_failure(failure),
            };
            let question = replacing(at, name, content, expected);
            desk.lock().note(question, |notes| &mut notes.files, answer);
        }
        replaced
    }
}

/// Locks and files that aren't there: each answers as it did, in the same order, and takes as long to be waited for.
pub(super) struct Answering(pub(super) Shared);

struct Imagined;

impl LifeGuard for Imagined {}

impl Answering {
    fn file(&self, question: &FileQuestion, words: String) -> FileAnswer {
        let mut desk = self.0.lock();
        let answer = desk.notes.files.get_mut(question).and_then(|answers| answers.pop_front());
        // The policy is told, and what it makes of that counts for nothing.
        answer.unwrap_or_else(|| FileAnswer::Failed(desk.miss(words)))
    }
}

fn answered(answer: FileAnswer) -> Result<Vec<u8>, FileFailure> {
    match answer {
        FileAnswer::Content(bytes) => Ok(bytes.0),
        FileAnswer::Replaced => Ok(Vec::new()),
        FileAnswer::NotFound => Err(FileFailure::NotFound),
        FileAnswer::Changed => Err(FileFailure::Changed),
        FileAnswer::Forbidden(text) => Err(FileFailure::Forbidden(text)),
        FileAnswer::TooLarge => Err(FileFailure::TooLarge),
        FileAnswer::Failed(text) => Err(FileFailure::Failed(text)),
    }
}

impl Powers for Answering {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        let answer = {
            let mut desk = self.0.lock();
            let answer = desk.notes.locks.get_mut(name).and_then(|answers| answers.pop_front());
            answer.unwrap_or_else(|| {
                LockAnswer::Failed(desk.miss(format!("one more wait for the lock `{name}`")))
            })
        };
        match answer {
            // Time spent waiting counts, so it passes here too.
            LockAnswer::Given { waited_ms } => {
                thread::sleep(Duration::from_millis(waited_ms).min(timeout));
                Ok(Box::new(Imagined))
            }
            LockAnswer::Timeout => {
                thread::sleep(timeout);
                Err(LockFailure::Timeout)
            }
            LockAnswer::Limit(text) => Err(LockFailure::Limit(text)),
            LockAnswer::Failed(text) => Err(LockFailure::Failed(text)),
        }
    }

    fn read(&self, at: Place, name: &str, _timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        let question = FileQuestion::Read { at, name: name.to_owned() };
        answered(self.file(&question, format!("one more reading of the file `{name}`")))
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        _timeout: Duration,
    ) -> Result<(), FileFailure> {
        let question = replacing(at, name, content, expected);
        let answer = self.file(&question, format!("replacing the file `{name}` with this content"));
        answered(answer).map(|_| ())
    }
}
