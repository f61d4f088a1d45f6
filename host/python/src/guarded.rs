//! Handles that belong to one process.

use std::mem::ManuallyDrop;
use std::process;

use pyo3::prelude::*;

use crate::error::forked;

/// A handle, used and taken down only by the process that made it. What it takes to do either, such as threads, isn't
/// in a forked child, which would wait for them for ever.
pub struct Guarded<T> {
    value: ManuallyDrop<T>,
    pid: u32,
}

impl<T> Guarded<T> {
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), pid: process::id() }
    }

    pub fn get(&self) -> PyResult<&T> {
        if self.is_here() { Ok(&self.value) } else { Err(forked(self.pid)) }
    }

    /// Whether this process made it.
    fn is_here(&self) -> bool {
        self.pid == process::id()
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        if self.is_here() {
            // SAFETY: it isn't used after this, for `self` is being dropped.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}
