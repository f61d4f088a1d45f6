//! Locks whose files need not be there, and are removed by others.

use super::locks::{disk, lock_file};

use super::*;
use crate::disk::{Disk, DiskFile, Hold, How, Identity};
use crate::lock::{Tried, try_lock_existing};

/// Somebody found a session's file free, locked what had been removed and made anew meanwhile, and called a living
/// session dead.
#[test]
fn a_lock_that_is_only_tried_is_on_the_file_of_its_name_too() {
    let directory = tempfile::tempdir().unwrap();
    let real = disk(directory.path());
    let path = directory.path().join("a");
    std::fs::write(&path, "").unwrap();
    // While it is tried, it is replaced by one that somebody else holds.
    let held = Arc::new(parking_lot::Mutex::new(None));
    let (keep, file) = (held.clone(), path.clone());
    let replaced: Arc<dyn Disk> = Arc::new(Meddling {
        disk: real,
        once: parking_lot::Mutex::new(Some(Box::new(move |disk: &Arc<dyn Disk>| {
            std::fs::remove_file(&file).unwrap();
            *keep.lock() = Some(lock_file(disk, "a", Hold::Exclusive, far()).unwrap());
        }))),
    });
    assert!(matches!(try_lock_existing(&replaced, "a", Hold::Shared), Ok(Tried::Busy)));
    drop(held.lock().take());
    assert!(matches!(try_lock_existing(&replaced, "a", Hold::Shared), Ok(Tried::Held(_))));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(try_lock_existing(&replaced, "a", Hold::Shared), Ok(Tried::Missing)));
}

type Meddler = Box<dyn FnOnce(&Arc<dyn Disk>) + Send>;

/// A disk on which something happens just after a file was opened.
struct Meddling {
    disk: Arc<dyn Disk>,
    once: parking_lot::Mutex<Option<Meddler>>,
}

impl Disk for Meddling {
    fn open(&self, path: &str, how: How) -> std::io::Result<Arc<dyn DiskFile>> {
        let opened = self.disk.open(path, how);
        if let Some(meddle) = self.once.lock().take() {
            meddle(&self.disk);
        }
        opened
    }
    fn identity(&self, path: &str) -> std::io::Result<Identity> {
        self.disk.identity(path)
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &str) -> std::io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, directory: &str) -> std::io::Result<Vec<String>> {
        self.disk.list(directory)
    }
    fn directories(&self, directory: &str) -> std::io::Result<Vec<String>> {
        self.disk.directories(directory)
    }
    fn allocated(&self, path: &str) -> std::io::Result<u64> {
        self.disk.allocated(path)
    }
    fn create_dir(&self, path: &str) -> std::io::Result<()> {
        self.disk.create_dir(path)
    }
    fn sync_dir(&self, path: &str) -> std::io::Result<()> {
        self.disk.sync_dir(path)
    }
}
