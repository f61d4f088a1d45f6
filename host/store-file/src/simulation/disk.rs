//! The simulated disk.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant as Deadline;

use taskhost_board::Millis;

use super::content::Inode;
use super::names::{dependencies, with_needed};
use super::record::Event;
use super::schedule::Deed;
use super::{Effect, Fault, NameChange, PendingName, Process, State, in_directory, stopped};
use crate::disk::{Disk, DiskFile, Hold, How, Identity, parent};

/// A directory of a simulated disk, as one process sees it.
pub(super) struct SimDisk {
    pub(super) process: Arc<Process>,
    /// What its paths begin with.
    pub(super) prefix: String,
}

struct SimFile {
    process: Arc<Process>,
    /// What it was opened by.
    path: String,
    inode: u64,
    /// Which open file it is: locks belong to it.
    number: u64,
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("`{path}` doesn't exist"))
}

fn planned() -> io::Error {
    io::Error::other("this was planned")
}

impl SimDisk {
    fn path(&self, path: &str) -> String {
        match (self.prefix.as_str(), path) {
            ("", path) => path.to_owned(),
            (prefix, ".") => prefix.trim_end_matches('/').to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        }
    }
}

impl State {
    fn check_parent(&self, path: &str) -> io::Result<()> {
        let directory = parent(path);
        if directory == "." || self.directories.contains(directory) {
            Ok(())
        } else {
            Err(not_found(directory))
        }
    }

    fn pend(&mut self, change: NameChange, directories: &[&str]) {
        let unsynced: BTreeSet<String> = directories.iter().map(ToString::to_string).collect();
        self.pending.push(PendingName { change, unsynced });
    }

    /// What was changed in this directory is durable from now on, and so is what came before it of the same names.
    fn sync_names(&mut self, directory: &str) {
        for pending in &mut self.pending {
            pending.unsynced.remove(directory);
        }
        let synced: Vec<bool> =
            self.pending.iter().map(|pending| pending.unsynced.is_empty()).collect();
        let durable = with_needed(&synced, &dependencies(&self.pending));
        for (pending, is_durable) in std::mem::take(&mut self.pending).into_iter().zip(durable) {
            if is_durable {
                let change = &pending.change;
                apply(change, &mut self.durable_names, &mut self.durable_directories);
            } else {
                self.pending.push(pending);
            }
        }
    }
}

/// Does a change of names to names.
pub(super) fn apply(
    change: &NameChange,
    names: &mut std::collections::BTreeMap<String, u64>,
    directories: &mut BTreeSet<String>,
) {
    match change {
        NameChange::Made { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        NameChange::MadeDirectory { name } => {
            directories.insert(name.clone());
        }
        NameChange::Moved { from, to, inode } => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameChange::Removed { name } => {
            names.remove(name);
        }
    }
}

impl Disk for SimDisk {
    fn random(&self) -> u64 {
        self.process.world.random()
    }

    fn open(&self, path: &str, how: How) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let world = &self.process.world;
        let is_there = world.state.lock().names.contains_key(&path);
        let makes = matches!(how, How::New | How::Lock) && !is_there;
        if self.process.step(makes)?.is_some() {
            return Err(planned());
        }
        let mut state = world.state.lock();
        let found = state.names.get(&path).copied();
        let inode = match (found, how) {
            (Some(_), How::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, How::Read | How::Append | How::LockThere | How::Probe) => {
                return Err(not_found(&path));
            }
            (None, How::New | How::Lock) => {
                state.check_parent(&path)?;
                let inode = state.number();
                state.inodes.insert(inode, Inode::default());
                state.names.insert(path.clone(), inode);
                state.pend(NameChange::Made { name: path.clone(), inode }, &[parent(&path)]);
                inode
            }
        };
        let number = state.number();
        drop(state);
        if how == How::New {
            self.process.did(Deed::Made(&path));
        }
        Ok(Arc::new(SimFile { process: self.process.clone(), path, inode, number }))
    }

    fn identity(&self, path: &str) -> io::Result<Identity> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        let path = self.path(path);
        let state = self.process.world.state.lock();
        if state.directories.contains(&path) {
            return Ok(Identity { device: 2, inode: 0 });
        }
        let inode = *state.names.get(&path).ok_or_else(|| not_found(&path))?;
        Ok(Identity { device: 1, inode })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.process.step(true)?.is_some() {
            return Err(planned());
        }
        let (from, to) = (self.path(from), self.path(to));
        let mut state = self.process.world.state.lock();
        state.check_parent(&to)?;
        let inode = state.names.remove(&from).ok_or_else(|| not_found(&from))?;
        state.names.insert(to.clone(), inode);
        let directories = [parent(&from), parent(&to)];
        state.pend(NameChange::Moved { from: from.clone(), to: to.clone(), inode }, &directories);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if self.process.step(true)?.is_some() {
            return Err(planned());
        }
        let path = self.path(path);
        let mut state = self.process.world.state.lock();
        state.names.remove(&path).ok_or_else(|| not_found(&path))?;
        state.pend(NameChange::Removed { name: path.clone() }, &[parent(&path)]);
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        let directory = self.path(directory);
        let state = self.process.world.state.lock();
        if directory != "." && !state.directories.contains(&directory) {
            return Err(not_found(&directory));
        }
        let mut names: Vec<String> =
            in_directory(state.names.keys(), &directory).into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn directories(&self, directory: &str) -> io::Result<Vec<String>> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        let directory = self.path(directory);
        let state = self.process.world.state.lock();
        if directory != "." && !state.directories.contains(&directory) {
            return Err(not_found(&directory));
        }
        let found = in_directory(state.directories.iter(), &directory);
        let mut names: Vec<String> = found.into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn allocated(&self, path: &str) -> io::Result<u64> {
        self.open(path, How::Read)?.len()
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        if self.process.step(true)?.is_some() {
            return Err(planned());
        }
        let path = self.path(path);
        let mut state = self.process.world.state.lock();
        state.check_parent(&path)?;
        if state.directories.insert(path.clone()) {
            state.pend(NameChange::MadeDirectory { name: path.clone() }, &[parent(&path)]);
        }
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        if self.process.step(true)?.is_some() {
            return Err(planned());
        }
        let path = self.path(path);
        let mut state = self.process.world.state.lock();
        if path != "." && !state.directories.contains(&path) {
            return Err(not_found(&path));
        }
        state.sync_names(&path);
        Ok(())
    }
}

impl SimFile {
    /// Not an operation that can fail or be cut off: the kernel does it for the dead as well.
    fn let_go(&self) {
        if self.with(|inode| inode.holders.remove(&self.number)).is_some() {
            self.process.did(Deed::Unlocked(&self.path));
            self.process.world.lock_released();
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inode) -> T) -> T {
        let mut state = self.process.world.state.lock();
        act(state.inodes.entry(self.inode).or_default())
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        Ok(self.with(|inode| inode.now.len() as u64))
    }

    fn identity(&self) -> io::Result<Identity> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        Ok(Identity { device: 1, inode: self.inode })
    }

    fn changed_at(&self) -> io::Result<Millis> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        // As good as any: nothing is decided by it.
        Ok(self.process.world.state.lock().clock.wall)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        self.with(|inode| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(inode.now.len());
            let length = buffer.len().min(inode.now.len() - start);
            buffer[..length].copy_from_slice(&inode.now[start..start + length]);
            Ok(length)
        })
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = match self.process.step(true)? {
            None => bytes,
            Some(Fault::ShortWrite) => {
                self.process.strike(Effect::WrittenByHalf);
                &bytes[..bytes.len() / 2]
            }
            Some(_) => return Err(planned()),
        };
        let mut state = self.process.world.state.lock();
        state.inodes.entry(self.inode).or_default().append(bytes);
        state.record.push(Event::Appended { inode: self.inode, bytes: bytes.to_vec() });
        drop(state);
        self.process.did(Deed::Appended(&self.path));
        Ok(bytes.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.process.step(true)?.is_some() {
            return Err(planned());
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut state = self.process.world.state.lock();
        state.inodes.entry(self.inode).or_default().truncate(length);
        state.record.push(Event::Truncated { inode: self.inode, length });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.process.step(true)?;
        let mut state = self.process.world.state.lock();
        let inode = state.inodes.entry(self.inode).or_default();
        match fault {
            None => {
                inode.sync();
                let length = inode.now.len();
                state.record.push(Event::Synced { inode: self.inode, length });
                Ok(())
            }
            Some(Fault::LostSync) => {
                inode.lose_sync();
                self.process.strike(Effect::PagesLost);
                self.process.must_tell.store(true, Ordering::SeqCst);
                Err(io::Error::other("this sync's failure was planned"))
            }
            Some(_) => Err(planned()),
        }
    }

    fn try_lock(&self, hold: Hold) -> io::Result<bool> {
        if self.process.step(false)?.is_some() {
            return Err(planned());
        }
        let is_held = self.with(|inode| inode.lock(self.number, hold));
        self.process.did(if is_held {
            Deed::Locked(&self.path)
        } else {
            Deed::Refused(&self.path)
        });
        Ok(is_held)
    }

    fn wait_lock(&self, hold: Hold) -> io::Result<()> {
        let world = self.process.world.clone();
        let mut state = world.state.lock();
        loop {
            if self.process.is_stopped() {
                return Err(stopped());
            }
            if state.inodes.entry(self.inode).or_default().lock(self.number, hold) {
                return Ok(());
            }
            world.released.wait(&mut state);
        }
    }

    fn wait_lock_until(&self, hold: Hold, _deadline: Deadline) -> Option<io::Result<bool>> {
        let scheduler = self.process.scheduler()?;
        if let Err(error) = self.process.step(false) {
            return Some(Err(error));
        }
        // Time doesn't pass by itself here, so the deadline never comes.
        let mut is_held = false;
        scheduler.wait(&mut || {
            is_held = !self.process.is_stopped() && self.with(|i| i.lock(self.number, hold));
            is_held || self.process.is_stopped()
        });
        if !is_held {
            return Some(Err(stopped()));
        }
        self.process.did(Deed::Locked(&self.path));
        Some(Ok(true))
    }

    fn unlock(&self) -> io::Result<()> {
        self.process.wait_for_turn();
        self.let_go();
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Inode {
    fn lock(&mut self, number: u64, hold: Hold) -> bool {
        let others = self.holders.iter().filter(|(holder, _)| **holder != number);
        let free = others.clone().next().is_none()
            || (hold == Hold::Shared && others.clone().all(|(_, hold)| *hold == Hold::Shared));
        if free {
            self.holders.insert(number, hold);
        }
        free
    }
}
