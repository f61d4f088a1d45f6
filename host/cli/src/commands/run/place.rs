//! Where an attempt keeps what belongs to it: `output/TASK/ATTEMPT` of the board, or of the directory that it has here.
//!
//! The board may have come from somebody else, with links in it that lead anywhere. So nothing below the board's
//! directory is reached through one, and an attempt's directory is always a new one: what this process writes there
//! overwrites nothing.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use taskhost::{Claim, Task};

/// As always: the umask takes away what others may not.
const DIRECTORY: Mode = Mode::from_raw_mode(0o777);
const FILE: Mode = Mode::from_raw_mode(0o666);

/// An attempt's directory.
pub struct Place {
    /// Its path, for the command and for people.
    pub dir: PathBuf,
    handle: OwnedFd,
}

impl Place {
    /// Makes it. A release gives its attempt back, so the number can come again: then the token, which never does, is
    /// added.
    pub fn make(output_dir: &Path, task: &Task, claim: &Claim) -> io::Result<Self> {
        let output = enter(File::open(output_dir)?, "output")?;
        let of_task = enter(output, task.id.as_str())?;
        let plain = task.attempts.to_string();
        let with_token = format!("{plain}-token-{}", claim.token);
        let name = match mkdirat(&of_task, &*plain, DIRECTORY) {
            Err(Errno::EXIST) => {
                mkdirat(&of_task, &*with_token, DIRECTORY)?;
                with_token
            }
            made => {
                made?;
                plain
            }
        };
        let handle = open_directory(&of_task, &name)?;
        let dir = output_dir.join("output").join(task.id.as_str()).join(name);
        Ok(Self { dir, handle })
    }

    /// The path of a file in it, which may or may not be there.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A new file with this content, opened to be read.
    ///
    /// A file, not a pipe: a command that doesn't read it can't hold anybody up.
    pub fn input(&self, name: &str, content: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.open(name, flags)?.write_all(content.as_bytes())?;
        self.open(name, OFlags::RDONLY | OFlags::NOFOLLOW)
    }

    /// A file for what the command prints. It is the command's own, not the end of a pipe: so nothing that the
    /// command leaves in the background holds us up or dies of a closed pipe, its last words are there however it
    /// ends, and also what it prints when this process is gone.
    pub fn output(&self, name: &str) -> io::Result<Stdio> {
        // Appended to, since a script may open `/dev/stderr` a second time, which then has its own place in it.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND;
        self.open(name, flags).map(Stdio::from)
    }

    fn open(&self, name: &str, flags: OFlags) -> io::Result<File> {
        Ok(File::from(openat(&self.handle, name, flags | OFlags::CLOEXEC, FILE)?))
    }
}

/// Opens a directory that is made if it isn't there; a link in its place is an error.
fn enter(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    match mkdirat(&at, name, DIRECTORY) {
        Ok(()) | Err(Errno::EXIST) => open_directory(&at, name),
        Err(error) => Err(error.into()),
    }
}

fn open_directory(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => io::Error::other(format!(
            "`{name}` is a symbolic link or a file where a directory of the board should be"
        )),
        other => other.into(),
    })
}
