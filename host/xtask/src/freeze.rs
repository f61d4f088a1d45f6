//! `cargo xtask freeze`.

use crate::workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that has the hash of every other, in the form that `sha256sum --check` reads.
const HASHES: &str = "SHA256SUMS";

/// Publish the contract as it stands in `wit/`: copy it to `wit/published/VERSION/`, where it never changes again.
#[derive(Args)]
pub struct Freeze {
    /// Publish a version 0.x, too, which promises nothing yet
    #[arg(long)]
    unstable: bool,
    /// Where the contract stands
    #[arg(long, value_name = "DIR", hide = true)]
    wit: Option<PathBuf>,
    /// Where published contracts stand
    #[arg(long, value_name = "DIR", hide = true)]
    into: Option<PathBuf>,
}

impl Freeze {
    /// Prints what was published.
    pub fn run(self) -> Result<()> {
        let wit = self.wit.unwrap_or_else(|| workspace::root().join("wit"));
        let into = self.into.unwrap_or_else(|| wit.join("published"));
        let folder = freeze(&wit, &into, self.unstable)?;
        println!("published {}; commit it as it is", folder.display());
        Ok(())
    }
}

/// Copies the contract in `wit` to a directory of its version in `into`, with its hashes.
fn freeze(wit: &Path, into: &Path, unstable: bool) -> Result<PathBuf> {
    let files = contract(wit)?;
    let version = version(&files)
        .with_context(|| format!("no file in `{}` names the package's version", wit.display()))?;
    if version.starts_with("0.") && !unstable {
        bail!(
            "{version} promises nothing yet, so it isn't published: `--unstable` does it all the same"
        );
    }
    let folder = into.join(&version);
    if folder.exists() {
        bail!(
            "{version} is published already, and never changes again: give the contract in `{}` a new version",
            wit.display()
        );
    }
    // Made beside it and renamed, so that it is there whole or not at all.
    let fresh = into.join(format!(".{version}.{}", std::process::id()));
    fs::create_dir_all(&fresh).with_context(|| format!("can't make `{}`", fresh.display()))?;
    let hashes: String = files.iter().map(|(name, text)| hash_line(name, text)).collect();
    for (name, text) in files.iter().chain([(&HASHES.to_owned(), &hashes)]) {
        let path = fresh.join(name);
        fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    fs::rename(&fresh, &folder).with_context(|| format!("can't make `{}`", folder.display()))?;
    Ok(folder)
}

/// The contract's files, by name.
fn contract(wit: &Path) -> Result<BTreeMap<String, String>> {
    let cannot = || format!("can't read `{}`", wit.display());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(wit).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".wit") && path.is_file() {
            files.insert(name.to_owned(), fs::read_to_string(&path).with_context(cannot)?);
        }
    }
    Ok(files)
}

/// The version in `package NAME@VERSION;`.
fn version(files: &BTreeMap<String, String>) -> Option<String> {
    let mut lines = files.values().flat_map(|text| text.lines());
    let package = lines.find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'))?;
    Some(package.split_once('@')?.1.trim().to_owned())
}

fn hash_line(name: &str, text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}  {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(version: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a temporary directory");
        let text = format!("/// A contract.\npackage a:b@{version};\n");
        fs::write(home.path().join("one.wit"), text).expect("a fresh file");
        fs::write(home.path().join("two.wit"), "interface two {}\n").expect("a fresh file");
        home
    }

    #[test]
    fn published_version_is_copied_with_its_hashes_and_never_again() {
        let home = made("1.2.3");
        let into = home.path().join("published");
        let folder = freeze(home.path(), &into, false).expect("published");
        assert_eq!(folder, into.join("1.2.3"));
        let hashes = fs::read_to_string(folder.join(HASHES)).expect("its hashes");
        assert_eq!(hashes.lines().count(), 2);
        for line in hashes.lines() {
            let (hash, name) = line.split_once("  ").expect("a hash and a name");
            let text = fs::read_to_string(folder.join(name)).expect("a copy");
            assert_eq!(text, fs::read_to_string(home.path().join(name)).expect("the original"));
            assert_eq!(hash_line(name, &text), format!("{line}\n"));
            assert_eq!(hash.len(), 64);
        }
        fs::write(home.path().join("two.wit"), "interface three {}\n").expect("a file");
        let error = freeze(home.path(), &into, true).expect_err("published already");
        assert!(error.to_string().contains("1.2.3 is published already"), "{error}");
        let again = fs::read_to_string(folder.join("two.wit")).expect("a copy");
        assert_eq!(again, "interface two {}\n");
    }

    #[test]
    fn unstable_version_is_published_only_if_asked() {
        let home = made("0.3.0");
        let into = home.path().join("published");
        let error = freeze(home.path(), &into, false).expect_err("it promises nothing");
        assert!(error.to_string().contains("`--unstable`"), "{error}");
        assert!(!into.exists());
        freeze(home.path(), &into, true).expect("asked for");
    }
}
