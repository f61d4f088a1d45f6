//! The ends of processes that claims name, as the kernel tells them.
//!
//! - [`Ends`]: one descriptor for each process that is listened to, which becomes readable when the process has ended.
//!
//! Whoever can't be listened to (it is gone already, or in another namespace, or the kernel has no descriptors of
//! processes) is remembered too, so that they are tried only once; they are asked about, as everybody is.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags};
use taskhost_board::{BootId, Process};

use crate::process::end_of;

/// Which processes are listened to.
#[derive(Default)]
pub(super) struct Ends {
    listened: Mutex<BTreeMap<Process, Option<Arc<OwnedFd>>>>,
}

impl Ends {
    /// Listens to these and no others. `true` if there are some among them that it hadn't heard of: they may have ended
    /// before.
    pub(super) fn listen_to(&self, processes: &BTreeSet<Process>, boot: &BootId) -> bool {
        let mut listened = self.listened.lock();
        listened.retain(|process, _| processes.contains(process));
        let known = listened.len();
        for process in processes {
            if !listened.contains_key(process) {
                listened.insert(process.clone(), end_of(process, boot).map(Arc::new));
            }
        }
        listened.len() > known
    }

    /// The descriptors to wait for.
    pub(super) fn descriptors(&self) -> Vec<(Process, Arc<OwnedFd>)> {
        let listened = self.listened.lock();
        listened.iter().filter_map(|(process, end)| Some((process.clone(), end.clone()?))).collect()
    }

    /// Which of them have ended, as `polled` says, which is in the order of `waited`. Each is told once.
    pub(super) fn ended(
        &self,
        waited: &[(Process, Arc<OwnedFd>)],
        polled: &[PollFd<'_>],
    ) -> BTreeSet<Process> {
        let ready = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::IN | PollFlags::HUP);
        let ended = waited.iter().zip(polled).filter(|(_, fd)| ready(fd));
        let ended: BTreeSet<Process> = ended.map(|((process, _), _)| process.clone()).collect();
        let mut listened = self.listened.lock();
        for process in &ended {
            if let Some(end) = listened.get_mut(process) {
                *end = None;
            }
        }
        ended
    }
}
