//! Python, by `componentize-py`: the interpreter as WebAssembly, with the author's modules loaded already.
//!
//! It runs the modules' top level once, at build time, in a sandbox that sees copies of the project's `.py` files and
//! nothing else of the machine. The order of Python's sets is drawn anew in each build, so that no two components are
//! the same byte for byte.
//!
//! The module that is built is an entry (`entry.py`), which says at build time which hooks are missing, and in a call what
//! a hook answers against the contract.

use std::fs;

use super::stamp::extensions;
use super::{UNNAMED, Workshop, unnamed};
use crate::error::{Error, Result, at};
use crate::files::{sources, write};
use crate::tools::{Program, PythonTool};
use crate::world::{Hook, NAME, World};

/// The module that is built: it loads the author's and checks it.
const ENTRY: &str = "taskhost_entry";

/// Its source, without the hooks.
pub const ENTRY_SOURCE: &str = include_str!("entry.py");

/// What an error of the entry begins with that misses a hook.
const MISSING: &str = "MissingHook: ";

pub fn build(workshop: &Workshop<'_>, world: &World) -> Result<Vec<u8>> {
    let python = workshop.tools.python_of(PythonTool::ComponentizePy)?;
    let scratch = workshop.scratch()?;
    let directory = scratch.path().join("source");
    for file in sources(&workshop.project.directory, extensions(workshop.project.language))? {
        let source = workshop.project.directory.join(&file);
        write(&directory.join(&file), &fs::read(&source).map_err(at(&source))?)?;
    }
    write(&directory.join(format!("{ENTRY}.py")), entry(world).as_bytes())?;
    // Otherwise the packages of the Python that runs the tool could be imported.
    let no_packages = scratch.path().join("environment/lib/site-packages");
    fs::create_dir_all(&no_packages).map_err(at(&no_packages))?;

    let output = scratch.path().join("component.wasm");
    let mut tool = Program::new(&python);
    tool.args(["-I", "-c", "import sys; from componentize_py import script; sys.exit(script())"]);
    tool.arg("--quiet").arg("--wit-path").arg(workshop.work.join("wit")).args(["--world", NAME]);
    tool.args(["componentize", "--python-path"]).arg(&directory);
    tool.arg("--output").arg(&output).arg(ENTRY);
    tool.env("VIRTUAL_ENV", scratch.path().join("environment"));
    let said = tool.current_dir(scratch.path()).run()?;
    if !said.well {
        return Err(failure(&format!("{}{}", said.stdout, said.stderr), world));
    }
    fs::read(&output).map_err(at(&output))
}

/// A module with the author's hooks, which says what is missing at build time rather than at the first call.
fn entry(world: &World) -> String {
    let mut text = ENTRY_SOURCE.to_owned();
    for hook in world.hooks() {
        let class = upper_camel(&hook.interface);
        let methods = methods(&hook);
        let missing = format!(
            "`policy.py` has no class `{class}` with a method `{}`, which `world.wit` exports as `{}`",
            methods.join("` and `"),
            hook.interface
        );
        text += &format!("\n\n{class} = getattr(policy, {class:?}, None)\n");
        text += &format!("for name in {methods:?}:\n");
        text += &format!("    method = getattr({class}, name, None)\n");
        text += "    if method is None or getattr(method, \"__isabstractmethod__\", False):\n";
        text += &format!("        raise MissingHook({missing:?})\n");
        text += &format!("{class} = guarded({class}, {class:?}, {methods:?})\n");
    }
    for hook in world.left_out() {
        let class = upper_camel(&hook.interface);
        let what = format!("`policy.py` has the class `{class}`");
        let methods = methods(&hook);
        text += &format!(
            "\nif any(hasattr(getattr(policy, {class:?}, None), name) for name in {methods:?}):\n"
        );
        text += &format!("    raise UnnamedHook({:?})\n", unnamed(world, &hook, &what));
    }
    text
}

fn methods(hook: &Hook) -> Vec<String> {
    hook.functions.iter().map(|name| name.replace('-', "_")).collect()
}

fn upper_camel(name: &str) -> String {
    let upper = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().collect::<String>() + letters.as_str()
        })
    };
    name.split('-').map(upper).collect()
}

/// What the author needs of what was said: Python's traceback, with the files as they are called in the project.
fn failure(said: &str, world: &World) -> Error {
    for mark in [MISSING, UNNAMED] {
        if let Some((_, hook)) = said.split_once(mark) {
            return Error::MissingHook(hook.lines().next().unwrap_or_default().to_owned());
        }
    }
    let traceback = said.split_once("AssertionError: ").map_or(said, |(_, rest)| rest);
    let traceback = traceback.split("\n\nCaused by:").next().unwrap_or_default();
    let lines = traceback.lines().collect::<Vec<_>>();
    let mut kept = String::new();
    let mut is_entry = false;
    for line in lines {
        // The entry is ours: its frame and the line of source below it say nothing to the author.
        if line.trim_start().starts_with("File ") {
            is_entry = line.contains(ENTRY);
        } else if !line.starts_with(' ') {
            is_entry = false;
        }
        if !is_entry {
            kept += &line.replace("\"/0/", "\"");
            kept.push('\n');
        }
    }
    // The bindings have the hooks of the world and no others.
    let meant = world.left_out().into_iter().find(|hook| {
        kept.contains(&format!(
            "module 'wit_world.exports' has no attribute '{}'",
            upper_camel(&hook.interface)
        )) || kept
            .contains(&format!("cannot import name '{}' from 'wit_world.exports'", hook.interface))
            || kept.contains(&format!("No module named 'wit_world.exports.{}'", hook.interface))
    });
    if let Some(hook) = meant {
        let what = format!("`policy.py` speaks of `{}`", hook.interface);
        kept += &unnamed(world, &hook, &what);
    }
    Error::Source(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let text = "package my:policy; world policy { include taskhost:policy/imports@0.1.0; \
                    export taskhost:policy/about@0.1.0; export taskhost:policy/lifecycle@0.1.0; }";
        World::parse(text).expect("it is a world")
    }

    #[test]
    fn of_what_the_tool_says_the_authors_own_lines_are_kept() {
        let said = "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n\
                    AssertionError: Traceback (most recent call last):\n  File \"/0/taskhost_entry.py\", line 1, in <module>\n    \
                    import policy\n  File \"/0/policy.py\", line 2, in <module>\n    import nothere\n\
                    ModuleNotFoundError: No module named 'nothere'\n\n\nCaused by:\n    ModuleNotFoundError\n";
        let kept = "the policy doesn't compile:\nTraceback (most recent call last):\n  File \"policy.py\", line 2, in <module>\n    \
                    import nothere\nModuleNotFoundError: No module named 'nothere'";
        assert_eq!(failure(said, &world()).to_string(), kept);
    }

    #[test]
    fn hook_is_the_class_and_method_that_python_calls_it() {
        let text = entry(&world());
        assert!(text.contains("Lifecycle = getattr(policy, \"Lifecycle\", None)"), "{text}");
        assert!(text.contains("for name in [\"on_event\"]:"), "{text}");
    }

    /// Python only said that a module has no attribute `Readiness`, and nothing of the file that would give it one.
    #[test]
    fn hook_that_the_world_does_not_name_is_told_with_the_line_to_add() {
        for said in [
            "AttributeError: module 'wit_world.exports' has no attribute 'Readiness'",
            "ImportError: cannot import name 'readiness' from 'wit_world.exports' (/bundled/…)",
            "ModuleNotFoundError: No module named 'wit_world.exports.readiness'",
        ] {
            let told = failure(said, &world()).to_string();
            assert!(told.contains(said), "{told}");
            assert!(told.contains("`export taskhost:policy/readiness@0.1.0;`"), "{told}");
        }
        let told = failure("taskhost_entry.UnnamedHook: it is there\n\nCaused by:", &world());
        assert_eq!(told.to_string(), "it is there");
    }
}
