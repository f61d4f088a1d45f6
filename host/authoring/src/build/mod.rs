//! Building a project into a component: one file per language.
//!
//! - [`Project::build`]: the steps that all languages share. [`Options`], [`Built`].
//! - `prepare`: what a project is given beside its author's files.
//! - `stamp`: by which it is told that nothing has changed.
//!
//! Invariant: the component takes the place of the one before in one step, and only if all went well. A build that fails
//! leaves that one where it is, and says so.

mod c;
mod javascript;
mod python;
mod rust;
mod shapes;
mod stamp;

use std::fs;
use std::path::{Path, PathBuf};

use crate::carried;
use crate::error::{Error, Result, at};
use crate::files::{replace, write, write_all};
use crate::languages::Language;
use crate::project::Project;
use crate::tools::Tools;
use crate::waiting::alone;
use crate::world::{self, Hook, World};

pub use rust::toolchain;
use stamp::Stamp;

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Build even if nothing has changed.
    pub force: bool,
    /// Where the component goes; `NAME.wasm` in the project if not given.
    pub output: Option<PathBuf>,
    /// Where generated files go; `build` in the project if not given.
    pub work: Option<PathBuf>,
    /// What a component has to pass before it counts as built.
    pub examine: Option<Examine>,
}

/// Whether a component fits the contract: whoever runs policies knows. The error is what doesn't fit, a sentence each.
pub type Examine = fn(&[u8]) -> std::result::Result<(), Vec<String>>;

/// Whether anything had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was built.
    Built,
    /// The component is the one that a build would make.
    Unchanged,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What it is called.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether anything had to be done.
    pub outcome: Outcome,
}

/// What the builder of a language is given.
struct Workshop<'a> {
    project: &'a Project,
    tools: &'a Tools<'a>,
    /// Where generated files are, absolute.
    work: PathBuf,
}

impl Project {
    /// Builds its component.
    ///
    /// # Errors
    ///
    /// If what it takes is missing, or the author's source is wrong; [`Error::Kept`] around it if there is a component of
    /// an earlier build.
    pub fn build(&self, tools: &Tools<'_>, options: &Options) -> Result<Built> {
        let work = options.work.clone().unwrap_or_else(|| self.directory.join("build"));
        let work = std::path::absolute(&work).map_err(at(&work))?;
        fs::create_dir_all(&work).map_err(at(&work))?;
        let workshop = Workshop { project: self, tools, work };
        let _alone = alone(tools, &workshop.work.join("lock"), "another build of this project")?;
        let (name, outcome, path) = match self.language {
            Language::Rust => self.build_rust(&workshop, options)?,
            _ => self.build_other(&workshop, options)?,
        };
        let size_bytes = fs::metadata(&path).map_err(at(&path))?.len();
        Ok(Built { name, path, size_bytes, outcome })
    }

    /// Only cargo knows what a crate is made of; it is asked each time, and knows quickly.
    fn build_rust(
        &self,
        at: &Workshop<'_>,
        options: &Options,
    ) -> Result<(String, Outcome, PathBuf)> {
        let krate = rust::Crate::of(self)?;
        let path = self.output(options, &krate.package);
        let component =
            rust::build(at, &krate).and_then(|component| self.examined(options, component));
        let component = component.map_err(|why| kept(why, &path))?;
        let is_old = !options.force && fs::read(&path).is_ok_and(|old| old == component);
        if is_old {
            return Ok((krate.package, Outcome::Unchanged, path));
        }
        replace(&path, &component)?;
        Ok((krate.package, Outcome::Built, path))
    }

    fn build_other(
        &self,
        at: &Workshop<'_>,
        options: &Options,
    ) -> Result<(String, Outcome, PathBuf)> {
        let path = self.output(options, &self.name);
        let stamp = Stamp::of(at)?;
        if !options.force && stamp.is_on(at, &path) {
            return Ok((self.name.clone(), Outcome::Unchanged, path));
        }
        let component = self.component(at).and_then(|component| self.examined(options, component));
        let component = component.map_err(|why| kept(why, &path))?;
        replace(&path, &component)?;
        stamp.put(at, &component)?;
        Ok((self.name.clone(), Outcome::Built, path))
    }

    /// The component of a project with a `world.wit`.
    fn component(&self, at: &Workshop<'_>) -> Result<Vec<u8>> {
        let world = World::read(&self.directory)?;
        prepare(self, &at.work)?;
        match self.language {
            Language::Python => python::build(at, &world),
            Language::JavaScript => javascript::build(at, &world),
            Language::C | Language::Rust => c::build(at, &world),
        }
    }

    /// The component, if it fits the contract: a compiler is content with much that is no policy.
    fn examined(&self, options: &Options, component: Vec<u8>) -> Result<Vec<u8>> {
        let examine = options.examine.unwrap_or(|_| Ok(()));
        match examine(&component) {
            Ok(()) => Ok(component),
            Err(mismatches) => {
                Err(Error::NotAPolicy { mismatches, hint: self.language.what_makes_a_policy() })
            }
        }
    }

    fn output(&self, options: &Options, name: &str) -> PathBuf {
        options.output.clone().unwrap_or_else(|| self.directory.join(format!("{name}.wasm")))
    }
}

/// What is said where a build failed and the component of an earlier one is there: somebody might set it for the new one.
fn kept(why: Error, path: &Path) -> Error {
    match why {
        // Whoever was waited for may be replacing it.
        Error::Busy { .. } => why,
        why if path.is_file() => Error::Kept { why: Box::new(why), path: path.to_owned() },
        why => why,
    }
}

impl Workshop<'_> {
    /// A directory of its own for one build, taken away when it ends.
    fn scratch(&self) -> Result<tempfile::TempDir> {
        let made = tempfile::Builder::new().prefix("scratch-").tempdir_in(&self.work);
        made.map_err(at(&self.work))
    }
}

/// What the error of an entry begins with that has found a hook which the world doesn't name.
const UNNAMED: &str = "UnnamedHook: ";

/// What to do about such a hook. `what` says that it is there, as in "`policy.js` exports `readiness`".
fn unnamed(world: &World, hook: &Hook, what: &str) -> String {
    format!(
        "{what}, a hook that `world.wit` doesn't name, and which would never be called: \
         add the line `export {};` to its world",
        world.full_name(&hook.interface)
    )
}

/// Puts the contract beside the author's world, and bindings where editors look for them.
pub fn prepare(project: &Project, work: &Path) -> Result<()> {
    let wit = work.join("wit");
    write_all(&wit.join("deps/taskhost-policy"), carried::CONTRACT)?;
    let source = project.directory.join(world::FILE);
    let text = fs::read(&source).map_err(at(&source))?;
    write(&wit.join(world::FILE), &text)?;
    match project.language {
        Language::Python => write_all(&work.join("python"), carried::PYTHON_BINDINGS),
        Language::JavaScript => write_all(&work.join("javascript"), carried::JAVASCRIPT_BINDINGS),
        Language::C => c::write_bindings(&work.join("c"), &mut World::read(&project.directory)?),
        Language::Rust => Ok(()),
    }
}
