//! Projects of policies: a directory with a policy's source in it, in Rust, Python, JavaScript or C.
//!
//! - [`Project`]: one that is there, or one made by [`Project::create`]. Its [`Language`] is told by its files.
//! - [`Project::build`]: makes its component; one file per language.
//! - [`Tools`]: what the languages are built with: found, or installed into a directory of taskhost's own.
//!
//! Whatever a project needs beside its author's files (the contract, bindings, for Rust the SDK) is carried here, in the
//! version that this taskhost speaks. A language other than Rust gets it into `build/`, which each build makes anew; a
//! project in Rust has it among its own files, for cargo to find.
//!
//! Nothing here prints: what takes long is told to [`Tools`]' listener, and only the Rust compiler, whose colours are
//! worth having, writes to standard error itself.

#[cfg(test)]
mod bindings;
mod build;
mod carried;
mod digest;
mod error;
mod files;
mod languages;
mod project;
mod rust_names;
mod tools;
mod waiting;
mod world;

pub use build::{Built, Examine, Options, Outcome};
pub use error::{Error, Result};
pub use languages::Language;
pub use project::Project;
pub use tools::{Installing, Locked, Node, Suits, Tools};
