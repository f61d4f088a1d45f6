//! Python, by `componentize-py`: the interpreter as WebAssembly, with the author's modules loaded already.
//!
//! It runs the modules' top level once, at build time, in a sandbox that sees copies of the project's `.py` files and
//! nothing else of the machine. The order of Python's sets is drawn anew in each build, so that no two components are
//! the same byte for byte.

use std::fs;

use super::Workshop;
use super::stamp::extensions;
use crate::error::{Error, Result, at};
use crate::files::{sources, write};
use crate::tools::{Program, PythonTool};
use crate::world::{Hook, NAME, World};

/// The module that is built: it loads the author's and checks it.
const ENTRY: &str = "taskhost_entry";

/// What an error of the entry begins with.
const MARK: &str = "MissingHook: ";

pub fn build(workshop: &Workshop<'_>, world: &World) -> Result<Vec<u8>> {
    let python = workshop.tools.python_of(PythonTool::ComponentizePy)?;
    let scratch = workshop.scratch()?;
    let directory = scratch.path().join("source");
    for file in sources(&workshop.project.directory, extensions(workshop.project.language))? {
        let source = workshop.project.directory.join(&file);
        write(&directory.join(&file), &fs::read(&source).map_err(at(&source))?)?;
    }
    write(&directory.join(format!("{ENTRY}.py")), entry(&world.hooks()).as_bytes())?;
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
        return Err(failure(&format!("{}{}", said.stdout, said.stderr)));
    }
    fs::read(&output).map_err(at(&output))
}

/// A module with the author's hooks, which says what is missing at build time rather than at the first call.
fn entry(hooks: &[Hook]) -> String {
    let mut text = "import policy\n\n\nclass MissingHook(Exception):\n    pass\n\n\n".to_owned();
    for hook in hooks {
        let class = upper_camel(&hook.interface);
        let methods: Vec<String> =
            hook.functions.iter().map(|name| name.replace('-', "_")).collect();
        let missing = format!(
            "`policy.py` has no class `{class}` with a method `{}`, which `world.wit` exports as `{}`",
            methods.join("` and `"),
            hook.interface
        );
        text += &format!("{class} = getattr(policy, {class:?}, None)\n");
        text += &format!("for name in {methods:?}:\n");
        text += &format!("    method = getattr({class}, name, None)\n");
        text += "    if method is None or getattr(method, \"__isabstractmethod__\", False):\n";
        text += &format!("        raise MissingHook({missing:?})\n");
    }
    text
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
fn failure(said: &str) -> Error {
    if let Some((_, missing)) = said.split_once(MARK) {
        return Error::MissingHook(missing.lines().next().unwrap_or_default().to_owned());
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
    Error::Source(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_the_tool_says_the_authors_own_lines_are_kept() {
        let said = "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n\
                    AssertionError: Traceback (most recent call last):\n  File \"/0/taskhost_entry.py\", line 1, in <module>\n    \
                    import policy\n  File \"/0/policy.py\", line 2, in <module>\n    import nothere\n\
                    ModuleNotFoundError: No module named 'nothere'\n\n\nCaused by:\n    ModuleNotFoundError\n";
        let kept = "the policy doesn't compile:\nTraceback (most recent call last):\n  File \"policy.py\", line 2, in <module>\n    \
                    import nothere\nModuleNotFoundError: No module named 'nothere'";
        assert_eq!(failure(said).to_string(), kept);
    }

    #[test]
    fn hook_is_the_class_and_method_that_python_calls_it() {
        let hook = Hook { interface: "life-cycle".into(), functions: vec!["on-event".into()] };
        let text = entry(&[hook]);
        assert!(text.contains("LifeCycle = getattr(policy, \"LifeCycle\", None)"), "{text}");
        assert!(text.contains("for name in [\"on_event\"]:"), "{text}");
    }
}
