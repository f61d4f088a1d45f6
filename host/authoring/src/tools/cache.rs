//! Tools in their directory: each in one of its own, whole or not there.
//!
//! A tool is installed into a temporary directory beside its place and renamed. A file `installed` in it, written last,
//! says which files there were and how large, so that what was cut or deleted later is told. Only one process installs
//! at a time, behind a lock on the permanent file `lock`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Installing, Tools};
use crate::digest::Digest;
use crate::error::{Error, Result, at};
use crate::files::make_private;
use crate::waiting::alone;

/// The file that says what was installed.
const INSTALLED: &str = "installed";

/// A tool that can be installed.
pub struct Tool<'a> {
    /// The name of its directory, its version included.
    pub directory: &'a str,
    /// As people call it, its version included.
    pub shown: &'a str,
    /// How much room it takes, as people say it.
    pub size: &'a str,
    /// How else to get it, where it may not be installed.
    pub otherwise: &'a str,
}

impl Tools<'_> {
    /// The directory of a tool, which is installed there by `install` if it isn't there or is damaged.
    pub(super) fn ensure(
        &self,
        tool: &Tool<'_>,
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.directory.join(tool.directory);
        if is_whole(&place) {
            return Ok(place);
        }
        let is_damaged = place.exists();
        if self.installing == Installing::Forbidden {
            return Err(missing(tool, &place, is_damaged));
        }
        make_private(&self.directory)?;
        let lock = self.directory.join("lock");
        let _alone =
            alone(self, &lock, "another process that installs what policies are built with")?;
        // Whoever held the lock before may have done it.
        if is_whole(&place) {
            return Ok(place);
        }
        if is_damaged {
            self.say(&format!("{} in `{}` is damaged", tool.shown, place.display()));
        }
        self.say(&format!(
            "installing {} into `{}` (about {} of disk space, once)",
            tool.shown,
            self.directory.display(),
            tool.size
        ));
        self.clear_away();
        let fresh = tempfile::Builder::new()
            .prefix(NEW)
            .tempdir_in(&self.directory)
            .map_err(at(&self.directory))?;
        // In a directory of its own below it, so that what is renamed has the usual permissions.
        let made = fresh.path().join("tool");
        fs::create_dir(&made).map_err(at(&made))?;
        install(&made)?;
        fs::write(made.join(INSTALLED), contents(&made)?).map_err(at(&made))?;
        if place.exists() {
            fs::rename(&place, fresh.path().join("old")).map_err(at(&place))?;
        }
        fs::rename(&made, &place).map_err(at(&place))?;
        Ok(place)
    }

    /// Takes away what installations left that were stopped; only while the lock is held.
    fn clear_away(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for entry in entries.filter_map(std::result::Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(NEW) {
                // What can't be deleted is in nobody's way.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// How the names of directories begin in which something is being installed. The directory is the user's choice, so the
/// name is one that nobody else gives to anything.
const NEW: &str = ".taskhost-installing-";

fn missing(tool: &Tool<'_>, place: &Path, is_damaged: bool) -> Error {
    let found = if is_damaged { "is damaged" } else { "isn't installed" };
    Error::ToolMissing(format!(
        "{} {found} in `{}`, and `--offline` forbids to install it: build once without `--offline`{}",
        tool.shown,
        place.display(),
        tool.otherwise
    ))
}

fn is_whole(place: &Path) -> bool {
    let said = fs::read_to_string(place.join(INSTALLED));
    said.is_ok_and(|said| contents(place).is_ok_and(|now| now == said))
}

/// A digest of the names and sizes of all files: reading them all would take longer than many a build.
fn contents(place: &Path) -> Result<String> {
    let mut found = Vec::new();
    collect(place, Path::new(""), &mut found)?;
    found.sort();
    let mut digest = Digest::default();
    for (path, size) in found {
        digest.add(path.as_os_str().as_encoded_bytes());
        digest.add(&size.to_le_bytes());
    }
    Ok(digest.hex())
}

fn collect(root: &Path, below: &Path, found: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let directory = root.join(below);
    for entry in fs::read_dir(&directory).map_err(at(&directory))? {
        let entry = entry.map_err(at(&directory))?;
        let name = entry.file_name();
        let path = below.join(&name);
        // Python writes compiled modules beside its sources whenever it likes.
        if name == "__pycache__" || path == Path::new(INSTALLED) {
            continue;
        }
        let metadata = entry.metadata().map_err(at(&directory))?;
        if metadata.is_dir() {
            collect(root, &path, found)?;
        } else {
            found.push((path, metadata.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const TOOL: Tool<'static> =
        Tool { directory: "tool-1", shown: "tool 1", size: "1 KB", otherwise: "" };

    fn ensure(directory: &Path, installing: Installing, times: &Cell<u32>) -> Result<PathBuf> {
        let tools = Tools::in_directory(directory, installing, &|_| ());
        tools.ensure(&TOOL, |place| {
            times.set(times.get() + 1);
            fs::create_dir(place.join("below")).map_err(at(place))?;
            fs::write(place.join("below/program"), "whole").map_err(at(place))
        })
    }

    #[test]
    fn damaged_tool_is_installed_again_and_a_whole_one_is_not() {
        let directory = tempfile::tempdir().expect("there is room");
        let times = Cell::new(0);
        let ensure = |installing| ensure(directory.path(), installing, &times);
        assert!(matches!(ensure(Installing::Forbidden), Err(Error::ToolMissing(_))));
        let place = ensure(Installing::Allowed).expect("it can be installed");
        ensure(Installing::Forbidden).expect("it is there");
        assert_eq!(times.get(), 1);

        let program = place.join("below/program");
        fs::write(&program, "cut").expect("it can be written");
        let error = ensure(Installing::Forbidden).expect_err("it is damaged").to_string();
        assert!(error.contains("is damaged"), "{error}");
        ensure(Installing::Allowed).expect("it can be installed again");
        fs::remove_file(&program).expect("it is there");
        ensure(Installing::Allowed).expect("it can be installed again");
        assert_eq!(times.get(), 3);
        assert_eq!(fs::read(&program).ok(), Some(b"whole".to_vec()));
    }

    // It was made with what the user's mask leaves. Where that lets the group write, taskhost's directory in the user's
    // cache wasn't one any more that compiled policies could be kept in, and each process compiled them anew.
    #[test]
    fn directory_that_tools_are_installed_in_is_the_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let home = tempfile::tempdir().expect("there is room");
        let directory = home.path().join("taskhost/tools");
        ensure(&directory, Installing::Allowed, &Cell::new(0)).expect("it can be installed");
        for made in [home.path().join("taskhost"), directory] {
            let mode = fs::metadata(&made).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn installation_that_fails_or_was_stopped_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("there is room");
        let stopped = directory.path().join(format!("{NEW}stopped"));
        fs::create_dir(stopped).expect("it can be made");
        let tools = Tools::in_directory(directory.path(), Installing::Allowed, &|_| ());
        let failed = tools.ensure(&TOOL, |place| {
            fs::write(place.join("half"), "").map_err(at(place))?;
            Err(Error::ToolMissing("no".into()))
        });
        assert!(failed.is_err());
        let left = fs::read_dir(directory.path()).expect("it is there");
        let left: Vec<_> = left.map(|entry| entry.expect("it is there").file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    /// The directory may be any that `TASKHOST_TOOLS` names, and every `.new-*` in it was deleted, whoever had made it.
    #[test]
    fn what_others_keep_in_the_directory_is_left_alone() {
        let directory = tempfile::tempdir().expect("there is room");
        let others = directory.path().join(".new-pictures");
        fs::create_dir(&others).expect("it can be made");
        ensure(directory.path(), Installing::Allowed, &Cell::new(0)).expect("it can be installed");
        assert!(others.is_dir());
    }
}
