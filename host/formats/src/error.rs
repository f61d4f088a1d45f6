//! Why nothing was read or written.

use std::path::PathBuf;

use crate::Format;

/// Why nothing was read or written. What a single task has that can't be mapped is no error but a
/// [`Remark`](crate::Remark).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at the path.
    #[error("there is nothing at `{}`, so nothing was imported: name the file or directory to import", .0.display())]
    NotThere(PathBuf),
    /// It can't be read.
    #[error("`{}` can't be read: {why}; nothing was imported: see that it is a file or directory that you may read", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// It is larger than what is read.
    #[error("`{}` has {bytes} bytes, and at most {max} are read: split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest that is read.
        max: u64,
    },
    /// It isn't JSON, or JSON that says a thing twice.
    #[error("`{}` is damaged at line {line}, column {column}: {why}; nothing was imported: mend the file, or take a copy from before", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1; 0 at the very beginning of a line.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// Values lie in each other deeper than is read.
    #[error("`{}` is nested too deep at line {line}, column {column}: at most {max} levels are read; nothing was imported: make it flatter there", path.display())]
    TooDeep {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// How many levels are read.
        max: usize,
    },
    /// It is JSON, but not what the format has.
    #[error("`{}` isn't what `{format}` has: expected {expected}; nothing was imported: name another file, or another `--format`", path.display())]
    Shape {
        /// The file or directory.
        path: PathBuf,
        /// The format it was read as.
        format: Format,
        /// What should be there.
        expected: String,
    },
    /// A value isn't a task.
    #[error("a task of `{0}` is a JSON object")]
    NotATask(Format),
    /// What a task has can't be kept as a task's data.
    #[error(
        "what task `{task}` has can't be kept: {why}; nothing was imported: change it there first"
    )]
    Unkeepable {
        /// The task's id there.
        task: String,
        /// Why it can't be kept.
        why: String,
    },
    /// It is like none of the formats.
    #[error("`{path}` is like none of the formats {formats}: name one with `--format`", path = .0.display(), formats = Format::words())]
    Unrecognised(PathBuf),
    /// No format is called so.
    #[error("there is no format `{0}`: choose one of {formats}", formats = Format::words())]
    NoSuchFormat(String),
    /// The database can't be read.
    #[error("the database `{}` can't be read: {why}; nothing was imported: if nobody else has it locked, mend it, or take a copy from before", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Something is in the place to be written to.
    #[error("`{}` is there already, and isn't overwritten: name another path, or move it away", .0.display())]
    Occupied(PathBuf),
    /// It can't be written.
    #[error("`{}` can't be written: {why}", path.display())]
    Unwritable {
        /// What.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}
