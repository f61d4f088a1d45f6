//! Where compiled policies are kept between processes.
//!
//! Loading compiled code is as good as running it, so it is only ever loaded from wasmtime's own cache in a
//! directory that belongs to this user and that nobody else can write to. Whatever is in doubt means no
//! cache: compiling again is slow but safe.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// Nobody else may list, read or write it.
const PRIVATE: u32 = 0o700;
/// What others must not be allowed from the start, since they may have used it.
const OTHERS_WRITE: u32 = 0o022;

/// `taskhost` in the user's cache directory, if the user has one.
#[must_use]
pub fn default_cache_dir() -> Option<PathBuf> {
    let given = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")))?;
    Some(base.join("taskhost"))
}

/// Opens the cache in `dir`, or nothing if it can't be trusted or used.
pub(crate) fn open(dir: &Path) -> Option<Cache> {
    private(dir)?;
    let compiled = dir.join("compiled");
    private(&compiled)?;
    let mut config = CacheConfig::new();
    config.with_directory(compiled);
    Cache::new(config).ok()
}

/// Makes sure that `dir` is there, and that only this user could ever write to it.
fn private(dir: &Path) -> Option<()> {
    let parent = dir.parent()?;
    fs::create_dir_all(parent).ok()?;
    // An error means that it is there already, or that the next step fails.
    let _ = DirBuilder::new().mode(PRIVATE).create(dir);
    // Not following a link: somebody else's link could be turned to somewhere else later.
    let found = fs::symlink_metadata(dir).ok()?;
    let ours = found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & OTHERS_WRITE == 0;
    if !ours {
        return None;
    }
    if found.mode() & 0o777 != PRIVATE {
        fs::set_permissions(dir, Permissions::from_mode(PRIVATE)).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn cache_is_private_to_the_user() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let dir = home.path().join("cache/taskhost");
        assert!(open(&dir).is_some());
        assert_eq!((mode(&dir), mode(&dir.join("compiled"))), (PRIVATE, PRIVATE));
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("it is ours");
        assert!(open(&dir).is_some());
        assert_eq!(mode(&dir), PRIVATE);
    }

    // A cache that others could write to may hold somebody else's machine code (wasmtime's `deserialize` is
    // unsafe for that reason): it isn't used, and isn't made private after the fact.
    #[test]
    fn directory_that_others_could_write_to_is_no_cache() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let dir = home.path().join("taskhost");
        fs::create_dir(&dir).expect("a fresh directory");
        fs::set_permissions(&dir, Permissions::from_mode(0o777)).expect("it is ours");
        assert!(open(&dir).is_none());
        assert_eq!(mode(&dir), 0o777);
    }

    #[test]
    fn link_is_no_cache() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let dir = home.path().join("taskhost");
        std::os::unix::fs::symlink(home.path(), &dir).expect("a fresh name");
        assert!(open(&dir).is_none());
    }
}
