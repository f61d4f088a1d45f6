//! Making and finding a board's directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use taskhost_board::{BeginError, Digest, Generation, InitPlan, ReadError, Sequence, Token};

use crate::disk::{How, exists, remove_if_there, replace_file, temporary_name};
use crate::format::snapshot::{Header, SnapshotWriter};
use crate::format::{BoardFile, FORMAT, names};
use crate::options::OpenOptions;
use crate::platform::{Platform, Real};
use crate::remains::{remains, without_board_file};
use crate::state::{Inner, failed};

/// A board was not made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one already.
    #[error("there is a board here already; nothing was changed")]
    Exists,
    /// A policy was pinned without its component.
    #[error("the component of policy `{0}` is missing")]
    MissingComponent(Digest),
    /// The directory can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<ReadError> for InitError {
    fn from(error: ReadError) -> Self {
        Self::Open(OpenError::Begin(error.into()))
    }
}

/// A board was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such board.
    #[error("there is no board at `{}`; run `taskhost init`", path.display())]
    NoBoard {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is something that isn't a directory.
    #[error(
        "`{}` isn't a directory, and a board is one: name another place for it; a file of tasks is brought onto a board \
         with `taskhost import`", path.display()
    )]
    NotADirectory {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file system isn't one to trust a board to.
    #[error(
        "`{}` is on {kind}, where locks and renames can't be relied on; keep the board on a local disk, or \
         allow unsafe file systems if you know better", path.display()
    )]
    UnsafeFileSystem {
        /// The directory.
        path: PathBuf,
        /// Which kind it is.
        kind: &'static str,
    },
    /// The directory could not be opened.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The board is there and can't be used.
    #[error(transparent)]
    Begin(#[from] BeginError),
}

/// File systems whose locks or renames are emulated, partial, or somebody else's business (`statfs` magic).
const UNSAFE: [(u32, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB (CIFS)"),
    (0xfe53_4d42, "SMB (SMB2)"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
];

/// Opens the directory at `path` as a platform.
pub(crate) fn open_directory(
    path: &Path,
    options: &OpenOptions,
) -> Result<Arc<dyn Platform>, OpenError> {
    let platform = platform_at(path, options)?;
    match exists(&**platform.disk(), names::BOARD) {
        Ok(true) => Ok(platform),
        Ok(false) => Err(match remains(&**platform.disk()) {
            Ok(Some(place)) => OpenError::Begin(without_board_file(&place).into()),
            _ => OpenError::NoBoard { path: path.to_owned() },
        }),
        Err(error) => Err(OpenError::Io { path: path.to_owned(), error }),
    }
}

/// The directory at `path` as a platform, whatever is in it.
pub(crate) fn platform_at(
    path: &Path,
    options: &OpenOptions,
) -> Result<Arc<dyn Platform>, OpenError> {
    platform(path, options).map_err(|error| match error {
        OpenError::Io { path, error } if error.kind() == io::ErrorKind::NotFound => {
            OpenError::NoBoard { path }
        }
        other => of_a_board(other),
    })
}

/// What an error says of a board rather than of any directory.
fn of_a_board(error: OpenError) -> OpenError {
    match error {
        OpenError::Io { path, error } if error.kind() == io::ErrorKind::NotADirectory => {
            OpenError::NotADirectory { path }
        }
        other => other,
    }
}

/// Makes the directory at `path`, durably, and opens it. Who may read and write it is left to the umask.
pub(crate) fn make_directory(
    path: &Path,
    options: &OpenOptions,
) -> Result<Arc<dyn Platform>, OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    match std::fs::create_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(of_a_board(io(error)));
        }
        _ => {}
    }
    let platform = platform(path, options).map_err(of_a_board)?;
    let full = path.canonicalize().map_err(io)?;
    for above in full.ancestors().skip(1).take(2) {
        // A directory that may not be opened was there before.
        if let Ok(above) = std::fs::File::open(above) {
            above.sync_all().map_err(io)?;
        }
    }
    Ok(platform)
}

/// Which file system of those that can't be relied on it is.
fn unsafe_kind(magic: u32) -> Option<&'static str> {
    UNSAFE.iter().find(|(known, _)| *known == magic).map(|(_, kind)| *kind)
}

/// The directory at `path` as a platform, if it is on a file system that can be relied on.
pub(crate) fn platform(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Platform>, OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let directory = Dir::open_ambient_dir(path, cap_std::ambient_authority()).map_err(io)?;
    let stat = rustix::fs::fstatfs(&directory).map_err(|e| io(e.into()))?;
    // The type is a signed or unsigned word by platform; its low half is the magic.
    let magic = stat.f_type as u32;
    let unsafe_kind = unsafe_kind(magic);
    if let Some(kind) = unsafe_kind.filter(|_| !options.allow_unsafe_fs) {
        return Err(OpenError::UnsafeFileSystem { path: path.to_owned(), kind });
    }
    let platform = Real::new(directory, unsafe_kind.is_none(), options.clock());
    Ok(Arc::new(platform.map_err(io)?))
}

impl Inner {
    /// Makes the board. `board.json` is written last, so a board whose making was cut short isn't one, and
    /// making it again completes it.
    pub(crate) fn init(&self, plan: &InitPlan) -> Result<(), InitError> {
        if let Some(missing) = plan.policies.digests().find(|d| !plan.components.contains_key(d)) {
            return Err(InitError::MissingComponent(missing));
        }
        // Before anything is made here, even the lock: what is left of a board stays as it is.
        self.check_vacant()?;
        // Two at once: the second finds a board.
        let guard = self.lock(self.wait_max()).map_err(OpenError::from)?;
        self.check_vacant()?;
        self.prepare_directory()?;
        self.put_components(&plan.components)?;
        let board = BoardFile {
            format: FORMAT,
            board: format!("{:016x}{:016x}", self.disk.random(), self.disk.random()),
            generation: Generation(1),
            elsewhere: None,
        };
        self.first_generation(&board, plan)?;
        if let Some(shared) = &plan.settings.shared_files {
            self.share(shared, &board.board)
                .map_err(|error| OpenError::Io { path: shared.into(), error })?;
        }
        replace_file(&*self.disk, names::BOARD, &board.encode())
            .map_err(|e| failed(names::BOARD)(e.into()))?;
        self.mend(&guard).map_err(OpenError::from)?;
        Ok(())
    }

    /// Removes what a making or an import of a board that was cut short left, and makes every directory.
    pub(crate) fn prepare_directory(&self) -> Result<(), ReadError> {
        self.sweep_import()?;
        for directory in names::DIRECTORIES {
            self.disk.create_dir(directory).map_err(failed(directory))?;
        }
        self.disk.sync_dir(".").map_err(failed("."))
    }

    pub(crate) fn check_vacant(&self) -> Result<(), InitError> {
        if exists(&*self.disk, names::BOARD).map_err(failed(names::BOARD))? {
            return Err(InitError::Exists);
        }
        match remains(&*self.disk).map_err(failed("."))? {
            Some(place) => Err(without_board_file(&place).into()),
            None => Ok(()),
        }
    }

    fn first_generation(&self, board: &BoardFile, plan: &InitPlan) -> Result<(), ReadError> {
        let (tasks, journal) = (names::tasks(board.generation), names::journal(board.generation));
        // What a crashed making left.
        remove_if_there(&*self.disk, &journal).map_err(failed(&journal))?;
        let header = Header {
            format: FORMAT,
            board: board.board.clone(),
            generation: board.generation,
            base: Sequence(0),
            token: Token(0),
            born: 0,
            policies: plan.policies.clone(),
            settings: plan.settings.clone(),
            created: self.platform.now().wall,
            past: Vec::new(),
            elsewhere: None,
        };
        // It gets its name once it is durable: a crash must not leave half of it there, which could be half of what
        // was a board.
        let unnamed = temporary_name(&*self.disk, &tasks);
        let file = self.disk.open(&unnamed, How::New).map_err(failed(&unnamed))?;
        let writer = SnapshotWriter::begin(&*file, &header).map_err(failed(&unnamed))?;
        writer.finish().map_err(failed(&unnamed))?;
        self.disk.rename(&unnamed, &tasks).map_err(failed(&tasks))?;
        let file = self.disk.open(&journal, How::New).map_err(failed(&journal))?;
        file.sync().map_err(failed(&journal))?;
        self.disk.sync_dir(".").map_err(failed("."))
    }

    /// Keeps components that the board doesn't have yet, durably.
    pub(crate) fn put_components(
        &self,
        components: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<(), ReadError> {
        for (digest, content) in components {
            let name = names::policy(*digest);
            if Digest::of(content) != *digest {
                let why = format!("the component given as `{digest}` is another one");
                return Err(ReadError::Failed(why));
            }
            if self.component(*digest).is_err() {
                replace_file(&*self.disk, &name, content).map_err(|e| failed(&name)(e.into()))?;
            }
        }
        // One that was there already may have been put there by somebody who crashed before this.
        self.disk.sync_dir("policies").map_err(failed("policies"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On NFS, `flock` was skipped, emulated by `fcntl` locks, or hung, so two agents had the board at once; over SMB and
    /// most file systems in user space, other machines don't hear of it at all. The numbers are the kernel's
    /// (`linux/magic.h`, and `fs/smb` for SMB); nothing here can mount such a file system, so that they are recognized is
    /// all that this shows.
    #[test]
    fn file_systems_whose_locks_other_machines_do_not_see_are_recognized() {
        let known =
            [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400];
        for magic in known {
            assert!(unsafe_kind(magic).is_some(), "{magic:x}");
        }
        // ext, xfs, btrfs, tmpfs, overlayfs, zfs.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(unsafe_kind(local), None, "{local:x}");
        }
        let here = tempfile::tempdir().unwrap();
        assert!(platform(here.path(), &OpenOptions::default()).is_ok());
    }
}
