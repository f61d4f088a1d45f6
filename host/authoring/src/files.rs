//! Writing and finding the files of a project.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::carried::Carried;
use crate::error::{Result, at};

/// Writes files into a directory, which is made if need be.
pub fn write_all(directory: &Path, files: &[Carried]) -> Result<()> {
    files.iter().try_for_each(|(path, content)| write(&directory.join(path), content.as_bytes()))
}

/// Writes a file, and makes its directory if need be. One that has the content already is left alone, so that no editor
/// or compiler takes it for a new one.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(at(directory))?;
    }
    fs::write(path, content).map_err(at(path))
}

/// Puts a file in the place of another in one step: whoever reads it sees the old one or the new one.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(at(directory))?;
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(plain_permissions())
        .tempfile_in(directory)
        .map_err(at(directory))?;
    file.write_all(content).map_err(at(path))?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    Ok(())
}

/// Makes a directory, and those above it that aren't there, for this user alone: what is run from below it, as tools and
/// compiled policies are, nobody else may have put there. Of one that is there, nothing is changed.
pub fn make_private(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))
}

/// Those of any file that a program makes, less what the user's mask takes away: temporary files are private otherwise.
fn plain_permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o666)
}

/// Directories that have nothing of the author's source in them.
const NOT_SOURCE: [&str; 4] = ["build", "node_modules", "target", "scenarios"];
/// Those that tools have made.
const MADE: [&str; 3] = ["build", "node_modules", "target"];

/// The files of a project with one of these extensions, below its directory and sorted. Hidden ones, and what tools have
/// made, don't belong to it; nor does what lies behind a symbolic link to a directory, which might lead in a circle.
pub fn sources(directory: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let is_wanted = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let mut found = Vec::new();
    collect(directory, Path::new(""), &NOT_SOURCE, &is_wanted, &mut found)?;
    found.sort();
    Ok(found)
}

/// Whatever a source could include, below a project's directory and sorted: all files, whatever they are called, but for
/// what tools have made and what no compiler reads. Where [`sources`] doesn't look, this doesn't either; except among
/// the scenarios, which may have other files beside them.
pub fn includable(directory: &Path) -> Result<Vec<PathBuf>> {
    let is_wanted = |path: &Path| {
        path.extension().is_none_or(|extension| extension != "scenario" && extension != "wasm")
    };
    let mut found = Vec::new();
    collect(directory, Path::new(""), &MADE, &is_wanted, &mut found)?;
    found.sort();
    Ok(found)
}

/// The files below `below` that are wanted. `skipped` are directories at the root.
fn collect(
    root: &Path,
    below: &Path,
    skipped: &[&str],
    is_wanted: &dyn Fn(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    let directory = root.join(below);
    for entry in fs::read_dir(&directory).map_err(at(&directory))? {
        let entry = entry.map_err(at(&directory))?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        let path = below.join(&name);
        let file_type = entry.file_type().map_err(at(&directory))?;
        if shown.starts_with('.') || shown == "__pycache__" {
            continue;
        }
        let is_ours = below != Path::new("") || !skipped.contains(&&*shown);
        // A virtual environment has one of these at its root.
        let is_environment = || entry.path().join("pyvenv.cfg").is_file();
        if file_type.is_dir() && is_ours && !is_environment() {
            collect(root, &path, skipped, is_wanted, found)?;
        } else if !file_type.is_dir() && is_wanted(&path) && entry.path().is_file() {
            found.push(path);
        }
    }
    Ok(())
}
