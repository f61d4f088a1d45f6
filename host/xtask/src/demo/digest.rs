//! `cargo xtask digest-crate`: the real work behind each task of the demo.

use super::evidence::Evidence;
use super::moment::Moment;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What lies in a crate's directory and is no source.
const NO_SOURCES: [&str; 2] = ["target", ".git"];

/// Digest a crate's sources, as a task that `taskhost run` has claimed, and leave evidence of it.
#[derive(Args)]
pub struct DigestCrate {
    /// Where to leave the evidence
    #[arg(long, value_name = "DIR")]
    evidence: PathBuf,
    /// The crate's directory
    path: PathBuf,
}

impl DigestCrate {
    /// The claim is what `taskhost run` says in the environment.
    pub fn run(self) -> Result<()> {
        let started_at = Moment::now();
        let Sources { files, bytes, sha256 } = digest(&self.path)?;
        let evidence = Evidence {
            task: variable("TASKHOST_TASK")?,
            agent: variable("TASKHOST_AGENT")?,
            token: variable("TASKHOST_TOKEN")?.parse().context("`TASKHOST_TOKEN` is no number")?,
            started_at,
            finished_at: Moment::now(),
            files,
            bytes,
            sha256,
        };
        evidence.leave(&self.evidence)?;

        let result = json!({ "files": files, "bytes": bytes, "sha256": evidence.sha256 });
        let path = variable("TASKHOST_RESULT")?;
        fs::write(&path, result.to_string()).with_context(|| format!("can't write `{path}`"))?;
        println!("{files} files, {bytes} bytes, sha256 {}", evidence.sha256);
        Ok(())
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("`{name}` isn't set: this is called by `taskhost run`"))
}

/// What a crate consists of.
#[derive(Debug, PartialEq)]
struct Sources {
    files: u64,
    bytes: u64,
    /// Of what `find . -type f | LC_ALL=C sort | xargs sha256sum` prints in its directory.
    sha256: String,
}

fn digest(root: &Path) -> Result<Sources> {
    let mut paths = Vec::new();
    for name in names(root)?.iter().filter(|name| !NO_SOURCES.contains(&name.as_str())) {
        collect(root, &format!("./{name}"), &mut paths)?;
    }
    // By bytes, so that it is the same everywhere.
    paths.sort();

    let mut all = Sha256::new();
    let mut bytes = 0;
    for path in &paths {
        let full = root.join(path);
        let content =
            fs::read(&full).with_context(|| format!("can't read `{}`", full.display()))?;
        bytes += content.len() as u64;
        all.update(format!("{}  {path}\n", hex(Sha256::new_with_prefix(content))));
    }
    Ok(Sources { files: paths.len() as u64, bytes, sha256: hex(all) })
}

/// The files at or below `path`. Links aren't followed: what they lead to may be elsewhere.
fn collect(root: &Path, path: &str, paths: &mut Vec<String>) -> Result<()> {
    let full = root.join(path);
    let file_type =
        full.symlink_metadata().with_context(|| format!("can't look at `{}`", full.display()))?;
    if file_type.is_file() {
        paths.push(path.to_owned());
    } else if file_type.is_dir() {
        for name in names(&full)? {
            collect(root, &format!("{path}/{name}"), paths)?;
        }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let name = |entry: io::Result<fs::DirEntry>| {
        entry?.file_name().into_string().map_err(|_| io::Error::other("a file's name isn't UTF-8"))
    };
    fs::read_dir(directory)
        .and_then(|entries| entries.map(name).collect())
        .with_context(|| format!("can't list `{}`", directory.display()))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    /// The digest was made with `find`, `sort` and `sha256sum`.
    #[test]
    fn digest_is_what_the_shell_makes_of_the_sources_alone() {
        let scratch = tempdir().expect("a directory");
        let root = scratch.path();
        fs::create_dir_all(root.join("src/target")).expect("a directory");
        fs::create_dir_all(root.join("target")).expect("a directory");
        fs::write(root.join("Cargo.toml"), "[package]\n").expect("a file");
        fs::write(root.join("src/lib.rs"), "").expect("a file");
        fs::write(root.join("src/target/mod.rs"), "mod x;\n").expect("a file");
        fs::write(root.join("target/built"), "not a source").expect("a file");

        let sources = digest(root).expect("readable");

        let sha256 = "57bac4e30a1b6d57de7505088bda19bb53b749ec0cdc7e490e57811601e6e478".to_owned();
        assert_eq!(sources, Sources { files: 3, bytes: 17, sha256 });
    }
}
