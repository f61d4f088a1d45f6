//! Clients of other makers that tests talk to taskhost through: the Model Context Protocol's own libraries for Python and
//! TypeScript, and its Inspector.
//!
//! - [`Clients`]: where they are. [`Clients::prepare`] installs them, as `cargo xtask setup --for-tests` does;
//!   [`Clients::find`] doesn't, as tests do.
//!
//! Their versions stand beside this source: `requirements.txt` is pip's lock, of
//! `uv pip compile --universal --python-version 3.10 --generate-hashes`; `package-lock.json` is npm's, of `package.json`.

use std::path::{Path, PathBuf};

use taskhost_authoring::{Installing, Locked, Result, Tools};

const PYTHON_LOCK: &str = include_str!("../requirements.txt");
const NODE_MANIFEST: &str = include_str!("../package.json");
const NODE_LOCK: &str = include_str!("../package-lock.json");

/// Programs to run clients with.
#[derive(Debug)]
pub struct Clients {
    /// A Python that can import `mcp`.
    pub python: PathBuf,
    /// A Node.js that runs what is in `packages`.
    pub node: PathBuf,
    /// The directory whose `node_modules` has `@modelcontextprotocol/sdk` and `@modelcontextprotocol/inspector`.
    pub packages: PathBuf,
}

impl Clients {
    /// Finds them in the directory for tools, or installs them there.
    ///
    /// # Errors
    ///
    /// If they can't be installed: mostly because there is no network, or no Python.
    pub fn prepare(tools: &Path, say: &dyn Fn(&str)) -> Result<Self> {
        Self::of(&Tools::in_directory(tools, Installing::Allowed, say))
    }

    /// Finds them in the directory for tools.
    ///
    /// # Errors
    ///
    /// If any isn't there, or is damaged.
    pub fn find(tools: &Path) -> Result<Self> {
        Self::of(&Tools::in_directory(tools, Installing::Forbidden, &|_| ()))
    }

    fn of(tools: &Tools<'_>) -> Result<Self> {
        let python = Locked::new(
            "mcp-python",
            "the Model Context Protocol's library for Python",
            "80 MB",
            PYTHON_LOCK,
        );
        let javascript = Locked::new(
            "mcp-javascript",
            "the Model Context Protocol's library for TypeScript, and its Inspector,",
            "130 MB",
            NODE_LOCK,
        );
        let node = tools.node_that(runs_the_inspector)?;
        Ok(Self {
            python: tools.python_packages(&python)?,
            packages: tools.node_packages(&node, &javascript, NODE_MANIFEST)?,
            node: node.path().to_owned(),
        })
    }
}

/// It asks for 22.19; the library is content with less.
fn runs_the_inspector(major: u32, minor: u32) -> bool {
    (major, minor) >= (22, 19)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A lock names the registry that it was made with unless that is taken out, and whoever uses another one can't install.
    #[test]
    fn locks_have_digests_and_name_no_registry() {
        assert!(!NODE_LOCK.contains("\"resolved\""));
        let packages = NODE_LOCK.matches("\n    \"node_modules/").count();
        assert_eq!(NODE_LOCK.matches("\"integrity\"").count(), packages);
        assert!(!PYTHON_LOCK.contains("://"));
        let pins = PYTHON_LOCK.lines().filter(|line| line.contains("=="));
        assert!(pins.clone().count() > 0);
        assert!(pins.clone().all(|line| line.ends_with('\\')), "each has a digest");
    }

    #[test]
    fn lock_is_of_the_versions_that_the_manifest_asks_for() {
        let asked = NODE_MANIFEST.lines().filter(|line| line.contains("\"@modelcontextprotocol/"));
        for line in asked {
            assert!(NODE_LOCK.contains(line.trim().trim_end_matches(',')), "{line}");
        }
    }
}
