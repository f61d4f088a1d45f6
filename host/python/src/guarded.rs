//! Handles that belong to one process.

use std::process;

use pyo3::prelude::*;

use crate::error::forked;

/// A handle, used only by the process that made it. A forked child may drop its copy, which lets nothing of the parent's
/// go; the Python part then makes another one.
pub struct Guarded<T> {
    value: T,
    pid: u32,
}

impl<T> Guarded<T> {
    pub fn new(value: T) -> Self {
        Self { value, pid: process::id() }
    }

    pub fn get(&self) -> PyResult<&T> {
        if self.pid == process::id() { Ok(&self.value) } else { Err(forked(self.pid)) }
    }
}
