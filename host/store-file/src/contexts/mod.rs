//! Large values beside the board: `context/task/<id>/<key>` and `context/agent/<name>/<key>`, each a file.
//!
//! - [`FileContexts`]: reads and changes them. `names`: what their files are called.
//!
//! Invariants: a change replaces one value, whole, at one instant, and is durable before it is acknowledged; changes of
//! one value take turns, by a lock out of sixteen (`locks/context_<n>.lock`, permanent), so that nothing that is
//! appended is lost; whoever reads a value waits for who is changing it, and nobody is told of a value, of a list, or that
//! there is none, before the names in its directory are durable, so that no crash can take back what was told, also where
//! the writer was killed before it had synced them. A value has its name only once the directories above it are durable.

mod names;

use std::io;
use std::sync::Arc;
use std::time::Instant as Deadline;

use taskhost_board::{
    BeginError, CONTEXT_BYTES_MAX, ContextEntry, ContextFailure, Contexts, Name, Owner, ReadError,
    TaskId,
};

use self::names::{AGENTS, NAME, TASKS};
use crate::disk::{
    Disk, Hold, How, ReplaceError, TEMPORARY, exists, read_file, read_open, remove_if_there,
    replace_file,
};
use crate::format::Checksum;
use crate::lock::{FileLock, LockError};
use crate::state::{Inner, failed, failed_to_write};

/// A board's large values.
pub(crate) struct FileContexts {
    pub(crate) inner: Arc<Inner>,
}

/// How many locks the values share.
const LOCKS: u8 = 16;

fn lock_path(path: &str) -> String {
    let Checksum(bytes) = Checksum::of(&[path.as_bytes()]);
    format!("locks/context_{}.lock", bytes[0] % LOCKS)
}

fn unread(error: ReadError) -> ContextFailure {
    BeginError::Read(error).into()
}

/// Waits until nobody changes a value, and keeps everybody from it; they can be read.
pub(crate) fn lock_all(inner: &Inner, deadline: Deadline) -> Result<Vec<FileLock>, BeginError> {
    let lock = |number| {
        let path = format!("locks/context_{number}.lock");
        inner.helpers.lock(&inner.disk, "", &path, Hold::Shared, deadline).map_err(|error| {
            match error {
                LockError::Timeout(waited) => {
                    let file = inner.disk.identity(&path).ok();
                    let holder = file.and_then(|file| inner.platform.lock_holder(file));
                    BeginError::Timeout { waited, holder }
                }
                other => ReadError::Failed(other.to_string()).into(),
            }
        })
    };
    (0..LOCKS).map(lock).collect()
}

impl FileContexts {
    fn same_process(&self) -> Result<(), ContextFailure> {
        self.inner.lock.same_process().map_err(|error| unread(ReadError::Failed(error.to_string())))
    }

    fn locked(&self, path: &str, error: LockError) -> ContextFailure {
        match error {
            LockError::Timeout(waited) => {
                let file = self.inner.disk.identity(path).ok();
                let holder = file.and_then(|file| self.inner.platform.lock_holder(file));
                BeginError::Timeout { waited, holder }.into()
            }
            other => unread(ReadError::Failed(other.to_string())),
        }
    }

    /// Keeps others from changing the value.
    fn lock(&self, file: &str, deadline: Deadline) -> Result<FileLock, ContextFailure> {
        self.same_process()?;
        let path = lock_path(file);
        let lock = self.inner.helpers.lock(&self.inner.disk, "", &path, Hold::Exclusive, deadline);
        let lock = lock.map_err(|error| self.locked(&path, error))?;
        // Whoever takes the board elsewhere has all these locks meanwhile.
        self.inner.expect_here().map_err(unread)?;
        Ok(lock)
    }

    /// Waits until nobody changes the value. Where the lock was never made, nobody ever did.
    fn settled(&self, file: &str) -> Result<Option<FileLock>, ContextFailure> {
        self.same_process()?;
        let path = lock_path(file);
        let deadline = self.inner.wait_max();
        let lock =
            self.inner.helpers.lock_existing(&self.inner.disk, &path, Hold::Shared, deadline);
        lock.map_err(|error| self.locked(&path, error))
    }

    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, ContextFailure> {
        let read = || -> io::Result<Option<Vec<u8>>> {
            match self.inner.disk.open(file, How::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                opened => read_open(&*opened?).map(Some),
            }
        };
        read().map_err(failed(file)).map_err(unread)
    }

    /// Makes durable what was just found in a directory of values, or found to be missing there. Whoever changed that may
    /// have been killed before it had, and the kernel lets its lock go; or it made the lock's file only after that was
    /// looked for.
    fn make_durable(&self, directory: &str) -> Result<(), ContextFailure> {
        match self.inner.disk.sync_dir(directory) {
            // Nothing was ever there: these directories are made durably, and never removed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(failed(directory)).map_err(unread),
        }
    }

    /// Replaces a value. Only under its lock.
    fn replace(&self, owner: &Owner, file: &str, value: &[u8]) -> Result<(), ContextFailure> {
        if value.len() as u64 > CONTEXT_BYTES_MAX {
            return Err(ContextFailure::TooLarge);
        }
        make_directories(&*self.inner.disk, owner, file)
            .map_err(failed_to_write(file))
            .map_err(unread)?;
        replace_file(&*self.inner.disk, file, value).map_err(|error| match error {
            ReplaceError::Unchanged(error) => unread(failed_to_write(file)(error)),
            ReplaceError::Unknown(error) => ContextFailure::Unknown(format!("`{file}`: {error}")),
        })
    }

    /// Removes what writers of this value that died have left. Only under its lock.
    fn sweep(&self, owner: &Owner, key: &TaskId) {
        let (_, own) = names::directories(owner);
        let disk = &*self.inner.disk;
        for name in disk.list(&own).unwrap_or_default() {
            let of = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split_once('-'));
            if of.is_some_and(|(_, of)| of == key.as_str()) {
                let _ = remove_if_there(disk, &format!("{own}/{name}"));
            }
        }
    }

    fn entry(&self, directory: &str, name: &str) -> io::Result<Option<ContextEntry>> {
        let Ok(key) = TaskId::new(name) else { return Ok(None) };
        let file = match self.inner.disk.open(&format!("{directory}/{name}"), How::Read) {
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        Ok(Some(ContextEntry { key, bytes: file.len()?, changed_at: file.changed_at()? }))
    }

    fn list_in(&self, directory: &str) -> Result<Vec<ContextEntry>, ContextFailure> {
        let list = || -> io::Result<Vec<ContextEntry>> {
            let names = match self.inner.disk.list(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                listed => listed?,
            };
            let entries = names.iter().filter_map(|name| self.entry(directory, name).transpose());
            entries.collect()
        };
        let listed = list().map_err(failed(directory)).map_err(unread)?;
        self.make_durable(directory)?;
        Ok(listed)
    }

    /// The owner of a directory, if it is one.
    fn owner(&self, above: &str, directory: &str) -> Option<Owner> {
        if above == TASKS {
            return TaskId::new(directory).ok().map(Owner::Task);
        }
        if !names::is_hashed(directory) {
            return names::decode(directory).map(Owner::Agent);
        }
        let name = read_file(&*self.inner.disk, &format!("{above}/{directory}/{NAME}")).ok()?;
        let name = Name::new(String::from_utf8(name).ok()?).ok()?;
        (names::encode(&name) == directory).then_some(Owner::Agent(name))
    }
}

/// Makes the directories above a value durably.
fn make_directories(disk: &dyn Disk, owner: &Owner, file: &str) -> io::Result<()> {
    if exists(disk, file)? {
        return Ok(());
    }
    // Also where they are there already: whoever made them may have died before they were durable.
    let (above, own) = names::directories(owner);
    for (directory, path) in [("context", above), (above, &*own)] {
        disk.create_dir(path)?;
        disk.sync_dir(directory)?;
    }
    match owner {
        Owner::Agent(name) if names::is_hashed(&names::encode(name)) => {
            replace_file(disk, &format!("{own}/{NAME}"), name.as_str().as_bytes())?;
        }
        _ => {}
    }
    Ok(())
}

/// Gives a synced file its name as a value, durably. Only where nobody else can change it: before there is a board.
pub(crate) fn place(disk: &dyn Disk, from: &str, owner: &Owner, key: &TaskId) -> io::Result<()> {
    let file = names::file(owner, key);
    make_directories(disk, owner, &file)?;
    disk.rename(from, &file)?;
    disk.sync_dir(&names::directories(owner).1)
}

/// Removes every value. Only where there is no board.
pub(crate) fn remove_all(disk: &dyn Disk) -> io::Result<()> {
    let listed = |listed: io::Result<Vec<String>>| match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    };
    for above in [TASKS, AGENTS] {
        for directory in listed(disk.directories(above))? {
            let own = format!("{above}/{directory}");
            for name in listed(disk.list(&own))? {
                remove_if_there(disk, &format!("{own}/{name}"))?;
            }
            disk.sync_dir(&own)?;
        }
    }
    Ok(())
}

impl Contexts for FileContexts {
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Option<Vec<u8>>, ContextFailure> {
        let file = names::file(owner, key);
        let settled = self.settled(&file)?;
        let value = self.read(&file)?;
        // What was read is what it is: nobody has to wait for the rest.
        drop(settled);
        self.make_durable(&names::directories(owner).1)?;
        Ok(value)
    }

    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        deadline: Deadline,
    ) -> Result<(), ContextFailure> {
        let file = names::file(owner, key);
        let _lock = self.lock(&file, deadline)?;
        self.sweep(owner, key);
        self.replace(owner, &file, value)
    }

    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        deadline: Deadline,
    ) -> Result<u64, ContextFailure> {
        let file = names::file(owner, key);
        let _lock = self.lock(&file, deadline)?;
        self.sweep(owner, key);
        let mut value = self.read(&file)?.unwrap_or_default();
        value.extend_from_slice(more);
        if value.len() as u64 > CONTEXT_BYTES_MAX {
            // What is there already was part of the decision.
            self.make_durable(&names::directories(owner).1)?;
        }
        self.replace(owner, &file, &value)?;
        Ok(value.len() as u64)
    }

    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        deadline: Deadline,
    ) -> Result<bool, ContextFailure> {
        let file = names::file(owner, key);
        let _lock = self.lock(&file, deadline)?;
        self.sweep(owner, key);
        let disk = &*self.inner.disk;
        let removed = match disk.remove(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            result => result.map(|()| true).map_err(failed_to_write(&file)).map_err(unread)?,
        };
        // Also where it was gone: whoever removed it may have died before that was durable.
        match disk.sync_dir(&names::directories(owner).1) {
            Err(error) if removed || error.kind() != io::ErrorKind::NotFound => {
                Err(ContextFailure::Unknown(format!("`{file}`: {error}")))
            }
            _ => Ok(removed),
        }
    }

    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure> {
        self.same_process()?;
        self.list_in(&names::directories(owner).1)
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        self.same_process()?;
        let mut owners = Vec::new();
        for above in [TASKS, AGENTS] {
            let directories = match self.inner.disk.directories(above) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                listed => listed.map_err(failed(above)).map_err(unread)?,
            };
            for directory in directories {
                // Those whose values were all removed have a directory still.
                if let Some(owner) = self.owner(above, &directory)
                    && !self.list_in(&format!("{above}/{directory}"))?.is_empty()
                {
                    owners.push(owner);
                }
            }
        }
        owners.sort_unstable();
        Ok(owners)
    }
}
