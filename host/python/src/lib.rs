//! What of the Python package `taskhost` is compiled: boards, sessions and locks, over `host/taskhost`.
//!
//! Nobody but the package's own Python imports it, which has the names, the documentation and the types. Tasks come and
//! go as JSON text, in the shapes that the command line prints: Python reads that faster than anything else could be
//! made for it, and there is one shape to know.
//!
//! - `board`: [`board::Board`] and what it does. `session`: [`session::Session`], a running agent.
//! - `locks`: a task's or a board's lock, and locks on any file. `error`: exceptions. `foreign`: the files of other systems. `parse`, `action`: what comes from Python.
//! - `looking`: the history, and why tasks can or can't be claimed.
//! - `guarded`: handles of this process, which a forked child doesn't use.
//!
//! Invariants: the interpreter's lock is let go of before anything that may wait, a file or a lock; what waits for long
//! comes back now and then, so that Ctrl-C ends it; nothing here decides anything.

mod action;
mod board;
mod error;
mod foreign;
mod guarded;
mod locks;
mod looking;
mod parse;
mod session;

use pyo3::prelude::*;

/// The compiled part of `taskhost`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<board::Board>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<locks::HandLock>()?;
    module.add_class::<locks::LockFile>()?;
    module.add_class::<locks::PathLock>()?;
    module.add_function(wrap_pyfunction!(foreign::shaped, module)?)?;
    module.add_function(wrap_pyfunction!(board::shown_address, module)?)?;
    module.add_function(wrap_pyfunction!(foreign::board_id, module)?)
}
