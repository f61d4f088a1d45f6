//! What each process has of its own, where a forked child gets a copy of its parent's.

use std::sync::OnceLock;

/// A value for each process that a chain of forks has led to. A child makes its own and never touches its parent's,
/// whose locks a thread may have held that doesn't exist in the child.
pub(crate) struct PerProcess<T> {
    pid: u32,
    value: T,
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    /// This process's.
    pub(crate) fn new(value: T) -> Self {
        Self { pid: std::process::id(), value, next: OnceLock::new() }
    }

    /// This process's, made by `make` from the first one's if it was forked since. Of that, only what never changes may
    /// be looked at.
    pub(crate) fn get(&self, make: impl Fn(&T) -> T) -> &T {
        let pid = std::process::id();
        let mut own = self;
        while own.pid != pid {
            own = own.next.get_or_init(|| Box::new(Self::new(make(&self.value))));
        }
        &own.value
    }

    /// The same, if there is one already.
    pub(crate) fn existing(&self) -> Option<&T> {
        let pid = std::process::id();
        let mut own = Some(self);
        while let Some(found) = own.filter(|found| found.pid != pid) {
            own = found.next.get().map(|next| &**next);
        }
        own.map(|found| &found.value)
    }
}
