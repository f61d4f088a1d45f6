//! `cargo xtask guests`.
//!
//! - [`Guests`]: builds every policy of the workspace. [`tools`]: what those in other languages than Rust are built with.
//!
//! Which policies there are is told by the directories: each in `guest/examples` and `tests/policies` is one.

use crate::workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use taskhost_authoring::{Built, Installing, Language, Options, Outcome, Project, Tools};

/// Where policies are, a directory each.
const FOLDERS: [&str; 2] = ["guest/examples", "tests/policies"];

/// The standard policy, which has a place of its own: its package, and the name of the component that it becomes.
const STANDARD: (&str, &str) = ("taskhost-standard", "standard");

/// Build all policies into `target/guests/policies`.
///
/// Those in other languages than Rust are built only if they have changed; what that takes is installed into
/// `target/guest-tools` if it isn't there.
#[derive(Args)]
pub struct Guests {
    /// Only those in Rust, which need nothing installed
    #[arg(long)]
    pub rust: bool,
}

impl Guests {
    /// Prints the size of each.
    pub fn run(self) -> Result<()> {
        let mut rust = Vec::new();
        let mut others = Vec::new();
        for directory in directories()? {
            match Language::of(&directory)? {
                Language::Rust => rust.push(directory),
                _ => others.push(directory),
            }
        }
        let folder = workspace::policies();
        fs::create_dir_all(&folder)
            .with_context(|| format!("can't make `{}`", folder.display()))?;
        build_rust(&rust, &folder)?;
        if self.rust {
            return Ok(());
        }
        let say = |text: &str| println!("{text}");
        let tools = tools(&say);
        others.iter().try_for_each(|directory| build_other(directory, &tools, &folder))
    }
}

/// Where policies in other languages than Rust find what they are built with.
pub fn tools(say: &dyn Fn(&str)) -> Tools<'_> {
    Tools::in_directory(&workspace::tools(), Installing::Allowed, say)
}

/// The directories of all policies but the standard one, in the order of their names.
fn directories() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let folder = workspace::root().join(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("`{}`", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One cargo builds them all, since starting it costs more than a small policy.
fn build_rust(directories: &[PathBuf], folder: &Path) -> Result<()> {
    let mut policies = vec![(STANDARD.0.to_owned(), STANDARD.1.to_owned())];
    for directory in directories {
        let package = package(directory)?;
        policies.push((package.clone(), package));
    }
    let packages: Vec<&str> = policies.iter().map(|(package, _)| package.as_str()).collect();
    let target_dir = taskhost_guest_build::target_dir(workspace::root());
    let components = taskhost_guest_build::build_all(&packages, workspace::root(), &target_dir)?;
    for ((_, name), component) in policies.iter().zip(&components) {
        let path = folder.join(format!("{name}.wasm"));
        fs::write(&path, component).with_context(|| format!("can't write `{}`", path.display()))?;
        report(component.len() as u64, &path, "");
    }
    Ok(())
}

/// Into the target directory, so that the work tree stays as it is.
fn build_other(directory: &Path, tools: &Tools<'_>, folder: &Path) -> Result<()> {
    let project = Project::open(directory)?;
    let options = Options {
        output: Some(folder.join(format!("{}.wasm", project.name()))),
        work: Some(workspace::target_dir().join("guests/projects").join(project.name())),
        ..Options::default()
    };
    let built = project.build(tools, &options);
    let Built { path, size_bytes, outcome, .. } =
        built.with_context(|| format!("`{}`", shown(directory)))?;
    let unchanged = if outcome == Outcome::Unchanged { ", unchanged" } else { "" };
    report(size_bytes, &path, unchanged);
    Ok(())
}

/// The name of the package in a directory.
fn package(directory: &Path) -> Result<String> {
    let manifest = directory.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("can't read `{}`", manifest.display()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    Ok(name.with_context(|| format!("`{}` names no package", manifest.display()))?.to_owned())
}

fn report(size_bytes: u64, path: &Path, more: &str) {
    println!("{size_bytes:>8} bytes  {}{more}", shown(path));
}

/// A path of the workspace as one would type it at its root.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(workspace::root()).unwrap_or(path).display()
}
