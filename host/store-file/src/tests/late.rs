//! Those who hear too late that a sync has failed.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;

use super::*;
use crate::disk::{DiskFile, delegate_file};
use crate::simulation::{Counted, Fault, World};
use crate::state::Current;

/// A writer was stopped after it had let the lock go and before it had its line synced. Somebody else's sync of that line
/// failed, the line was lost, the board recovered without it, and another line got its number and was synced. The
/// writer went on, found that number durable, and answered.
#[test]
fn a_line_that_recovery_has_dropped_is_not_answered_because_another_has_its_number() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "before").unwrap();
    let slow = store.inner.current(far()).unwrap();
    let kept = world.files().remove("journal-1.jsonl").unwrap();
    let process = world.process();
    let unlucky = process.open(OpenOptions::default()).unwrap();
    process.plan(Counted::Changes, 3, Fault::LostSync);
    assert!(remember(&unlucky, "lost").is_err());
    // The kernel drops the pages, and what is read from then on is what the disk has.
    world.tamper("journal-1.jsonl", Some(kept));
    let other = world.process().open(OpenOptions::default()).unwrap();
    let told = remember(&other, "another").unwrap();
    assert_eq!(told, Sequence(2));
    let answer = store.inner.make_durable(&slow, told);
    assert!(answer.is_err_and(|why| why.contains("sync of the journal failed")));
    // What stood before it is as durable as ever, and so is all that comes.
    assert_eq!(remember(&store, "after").unwrap(), Sequence(3));
    assert_clean(&other);
}

/// A file of which the first sync fails, once somebody else has tried one, or nobody has for a while: as the kernel
/// reports a failure to the first of two threads that sync one open file, and a success to the second.
struct FailsOnce {
    file: Arc<dyn DiskFile>,
    is_first: AtomicBool,
    begun: Sender<()>,
    second: Sender<()>,
    heard: Mutex<Receiver<()>>,
}

impl DiskFile for FailsOnce {
    delegate_file!(file: len identity changed_at read_at append truncate try_lock wait_lock unlock);

    fn sync(&self) -> io::Result<()> {
        if self.is_first.swap(false, Ordering::SeqCst) {
            self.begun.send(()).unwrap();
            let _ = self.heard.lock().recv_timeout(Duration::from_millis(300));
            return Err(io::Error::other("this was planned"));
        }
        let _ = self.second.send(());
        Ok(())
    }
}

/// Two threads with one handle waited for the same write-back. It failed, the kernel told the first of them, and the
/// second, which heard of no failure, answered before the first had said a word.
#[test]
fn of_two_threads_whose_sync_fails_none_answers() {
    let (_directory, store) = fresh();
    remember(&store, "before").unwrap();
    let current = store.inner.current.write().take().unwrap();
    let Ok(mut current): Result<Current, _> = Arc::try_unwrap(current) else {
        panic!("somebody else has the generation open")
    };
    let ((begun, has_begun), (second, heard)) = (channel(), channel());
    current.journal = Arc::new(FailsOnce {
        file: current.journal,
        is_first: AtomicBool::new(true),
        begun,
        second,
        heard: Mutex::new(heard),
    });
    *store.inner.current.write() = Some(Arc::new(current));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| remember(&store, "first"));
        has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
        let current = store.inner.current.read().clone().unwrap();
        let inner = &store.inner;
        // It has read the first one's entry.
        let second = scope.spawn(move || inner.make_durable(&current, Sequence(2)));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(matches!(first, Err(CommitError::Unknown(_))), "{first:?}");
    assert!(second.is_err(), "the second thread answers");
}
