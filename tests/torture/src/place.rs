//! Where boards are tried: fresh directories on the disk that the build is on.
//!
//! A temporary directory would do, if it were sure to be on a disk: in memory a sync costs nothing, and much that
//! goes wrong between two syncs has no time to.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A fresh directory, which goes when this goes, unless it is kept.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
}

impl Place {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where a board can be made in it.
    pub fn board(&self) -> PathBuf {
        self.directory.path().join("board")
    }

    /// Leaves it where it is if something went wrong there, and says where.
    pub fn keep_if(self, is_wrong: bool) {
        if is_wrong {
            eprintln!("what was there is kept in {}", self.keep().display());
        }
    }

    /// Leaves it where it is, for somebody to look at.
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

/// A fresh directory in [`torture_directory`].
///
/// # Errors
///
/// If none can be made there.
pub fn place() -> io::Result<Place> {
    let directory = tempfile::Builder::new().prefix("board-").tempdir_in(torture_directory()?)?;
    Ok(Place { directory })
}

/// The directory `torture` in the target directory, which is made if it isn't there.
///
/// # Errors
///
/// If it can't be made, or this program can't be found.
pub fn torture_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Cargo marks its target directory, wherever it is, as one that backups leave out.
    let target = program.ancestors().find(|above| above.join("CACHEDIR.TAG").is_file());
    let directory = target.or(program.parent()).unwrap_or(Path::new(".")).join("torture");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// The program `torture`, which runs itself again to be a worker; tests find it where Cargo puts it.
///
/// # Errors
///
/// If this program can't be found.
pub fn program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    match program.parent() {
        Some(deps) if deps.ends_with("deps") => Ok(deps.with_file_name("torture")),
        _ => Ok(program),
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn place_goes_unless_it_is_kept() {
        let gone = place().expect("there is room");
        let path = gone.path().to_owned();
        assert!(path.is_dir());
        drop(gone);
        assert!(!path.exists());
        let kept = place().expect("there is room").keep();
        assert!(kept.is_dir());
        std::fs::remove_dir(&kept).expect("it is empty");
    }
}
