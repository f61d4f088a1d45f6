//! The job: this workspace's own dependency graph, as cargo resolves it.

use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// The longest id of a task, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A crate to be digested.
#[derive(Debug, Clone)]
pub struct Crate {
    /// The id of its task: name and version.
    pub task: String,
    pub name: String,
    pub version: String,
    /// Where its sources are.
    pub path: PathBuf,
    /// The tasks of what it depends on.
    pub after: Vec<String>,
}

/// All crates that the workspace is built from on this machine, without development dependencies, each
/// after what it depends on. Cargo has their sources, or gets them.
pub fn crates() -> Result<Vec<Crate>> {
    let output = Command::new(workspace::cargo())
        .args(["metadata", "--format-version", "1", "--filter-platform", &host()?])
        .current_dir(workspace::root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("`cargo metadata` can't be started")?;
    ensure!(output.status.success(), "`cargo metadata` failed: it has said why");
    let metadata = serde_json::from_slice(&output.stdout);
    in_order(metadata.context("what `cargo metadata` says can't be read")?)
}

/// What this machine is to the compiler.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("`rustc` can't be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// What the demo reads of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

/// `None` is a normal dependency, as against `build` and `dev`.
#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Dependency {
    fn is_built(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

fn in_order(metadata: Metadata) -> Result<Vec<Crate>> {
    let nodes: BTreeMap<&str, Vec<&str>> = metadata.resolve.nodes.iter().map(built).collect();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for member in &metadata.workspace_members {
        put(member, &nodes, &mut seen, &mut order)?;
    }

    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let package = |id: &str| packages.get(id).with_context(|| format!("`{id}` isn't described"));
    let mut tasks = BTreeSet::new();
    let mut crates = Vec::with_capacity(order.len());
    for id in order {
        let Package { name, version, manifest_path, .. } = package(id)?;
        let task = task_id(name, version);
        if !tasks.insert(task.clone()) {
            bail!("two crates would be the task `{task}`");
        }
        let after = nodes[id].iter().map(|id| package(id).map(|on| task_id(&on.name, &on.version)));
        crates.push(Crate {
            task,
            name: name.clone(),
            version: version.clone(),
            path: manifest_path.parent().context("a manifest is in a directory")?.to_owned(),
            after: after.collect::<Result<_>>()?,
        });
    }
    Ok(crates)
}

/// A node and what it is built from.
fn built(node: &Node) -> (&str, Vec<&str>) {
    let built = node.deps.iter().filter(|dependency| dependency.is_built());
    (&node.id, built.map(|dependency| dependency.pkg.as_str()).collect())
}

/// Puts `id` into the order, after what it is built from.
fn put<'a>(
    id: &'a str,
    nodes: &BTreeMap<&'a str, Vec<&'a str>>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<()> {
    if seen.insert(id) {
        for on in nodes.get(id).with_context(|| format!("`{id}` isn't resolved"))? {
            put(on, nodes, seen, order)?;
        }
        order.push(id);
    }
    Ok(())
}

/// Name and version, as far as an id may hold them: `zstd-sys-2.0.16-zstd.1.5.7`.
fn task_id(name: &str, version: &str) -> String {
    let id = format!("{name}-{version}");
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' };
    id.trim_start_matches('_').chars().map(fits).take(ID_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn crates_come_after_what_they_are_built_from_and_development_dependencies_not_at_all() {
        let package = |id: &str| json!({ "id": id, "name": id, "version": "1.0.0+x", "manifest_path": format!("/{id}/Cargo.toml") });
        let on =
            |id: &str, kind: Option<&str>| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        let packages = ["app", "lib", "script", "harness"].map(package);
        let metadata = json!({
            "packages": packages,
            "workspace_members": ["app"],
            "resolve": { "nodes": [
                { "id": "app", "deps": [on("lib", None), on("script", Some("build")), on("harness", Some("dev"))] },
                { "id": "lib", "deps": [on("harness", Some("dev"))] },
                { "id": "script", "deps": [on("lib", None)] },
                { "id": "harness", "deps": [on("app", None)] },
            ] },
        });

        let crates =
            in_order(serde_json::from_value(metadata).expect("metadata")).expect("an order");

        let tasks: Vec<&str> = crates.iter().map(|built| built.task.as_str()).collect();
        assert_eq!(tasks, ["lib-1.0.0-x", "script-1.0.0-x", "app-1.0.0-x"]);
        assert_eq!(crates[2].after, ["lib-1.0.0-x", "script-1.0.0-x"]);
        assert_eq!(crates[2].path, PathBuf::from("/app"));
    }
}
