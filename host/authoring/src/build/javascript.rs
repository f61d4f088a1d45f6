//! JavaScript, by `componentize-js`: an engine as WebAssembly, with the author's modules loaded already.
//!
//! It runs the modules' top level once, at build time, in a sandbox that sees copies of the project's files of JavaScript
//! and nothing else of the machine. The engine draws random numbers then, so that no two components are the same byte
//! for byte.
//!
//! Invariant: a policy never sees those numbers, nor the time of its build. What it is loaded by evaluates a prelude
//! first, in which JavaScript's own time and random numbers become the contract's.

use std::fs;

use super::Workshop;
use super::stamp::extensions;
use crate::carried::Carried;
use crate::error::{Error, Result, at};
use crate::files::{sources, write, write_all};
use crate::world::{NAME, World};

/// What calls the tool.
const SCRIPT: &str = include_str!("javascript.mjs");

/// What is put beside the author's source. Hidden files, since none of those is the author's.
const ADDED: [Carried; 2] =
    [(".entry.js", include_str!("entry.js")), (".prelude.js", include_str!("prelude.js"))];

/// What the prelude imports.
const NEEDED: [&str; 2] = ["clock", "random"];

/// What makes a component of the author's source, beside the tool.
pub fn parts() -> impl Iterator<Item = &'static str> {
    ADDED.map(|(_, content)| content).into_iter().chain([SCRIPT])
}

pub fn build(workshop: &Workshop<'_>, world: &World) -> Result<Vec<u8>> {
    check_imports(world)?;
    let node = workshop.tools.node()?;
    let tool = workshop.tools.componentize_js(&node)?;
    let scratch = workshop.scratch()?;
    let directory = scratch.path().join("source");
    for file in sources(&workshop.project.directory, extensions(workshop.project.language))? {
        let source = workshop.project.directory.join(&file);
        write(&directory.join(&file), &fs::read(&source).map_err(at(&source))?)?;
    }
    write_all(&directory, &ADDED)?;
    let script = scratch.path().join("build.mjs");
    write(&script, SCRIPT.as_bytes())?;
    let output = scratch.path().join("component.wasm");
    let temporary = scratch.path().join("temporary");
    fs::create_dir(&temporary).map_err(at(&temporary))?;

    let mut program = node.program();
    program.arg(&script).arg(&tool).arg(workshop.work.join("wit")).arg(NAME).arg(&output);
    program.env("TMPDIR", &temporary);
    let said = program.current_dir(&directory).run()?;
    if !said.well {
        return Err(failure(&format!("{}{}", said.stdout, said.stderr), world));
    }
    fs::read(&output).map_err(at(&output))
}

/// The prelude can't do without these, whether or not the author's source uses them.
fn check_imports(world: &World) -> Result<()> {
    let imports = world.imports();
    match NEEDED.iter().find(|needed| !imports.iter().any(|import| import == *needed)) {
        None => Ok(()),
        Some(needed) => Err(Error::World(format!(
            "it doesn't import `{needed}`, from which JavaScript's own time and random numbers come: \
             write `include taskhost:policy/imports@0.1.0;` into its world"
        ))),
    }
}

/// What the author needs of what was said.
fn failure(said: &str, world: &World) -> Error {
    let is_missing = said.contains("as expected by the world");
    let hooks = world.hooks();
    // The line names the interface in quotes, alone or as the contract does.
    let named = hooks.iter().find(|hook| {
        said.contains(&format!("\"{}\"", hook.interface))
            || said.contains(&format!("/{}@", hook.interface))
    });
    match named {
        Some(hook) if is_missing => {
            let functions: Vec<String> =
                hook.functions.iter().map(|name| lower_camel(name)).collect();
            Error::MissingHook(format!(
                "`policy.js` exports no `{}` with a function `{}`, which `world.wit` exports as `{}`",
                lower_camel(&hook.interface),
                functions.join("` and `"),
                hook.interface
            ))
        }
        _ => {
            let lines = said.lines().filter(|line| !is_about_the_tool(line));
            Error::Source(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn is_about_the_tool(line: &str) -> bool {
    ["Failed to initialize component (", "Exception while evaluating top-level script"]
        .iter()
        .any(|start| line.starts_with(start))
}

fn lower_camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text + letters.as_str()
    })
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
    fn missing_hooks_are_named_as_the_author_has_to_write_them() {
        let whole = "Unable to extract expected exports list\nError: \"policy.js\" does not export a \"lifecycle\" interface as \
                     expected by the world.\n";
        let function = "Error: \"policy.js\" does not export a \"taskhost:policy/lifecycle@0.1.0\" onEvent function as expected \
                        by the world.";
        for said in [whole, function] {
            assert_eq!(
                failure(said, &world()).to_string(),
                "`policy.js` exports no `lifecycle` with a function `onEvent`, which `world.wit` exports as `lifecycle`"
            );
        }
    }

    /// Without this the tool would say that a module isn't there, of which the author has never heard.
    #[test]
    fn world_without_time_or_random_numbers_is_refused_with_what_to_write() {
        let text = "package my:policy; world policy { import taskhost:policy/clock@0.1.0; \
                    export taskhost:policy/about@0.1.0; }";
        let partial = World::parse(text).expect("it is a world");
        let error = check_imports(&partial).expect_err("it has no `random`").to_string();
        assert!(error.contains("`random`") && error.contains("`include taskhost"), "{error}");
        check_imports(&world()).expect("it has both");
    }

    #[test]
    fn of_what_the_tool_says_the_authors_own_lines_are_kept() {
        let said = "Failed to initialize component (wizer (/a/b/wizer)):\nException while evaluating top-level script\n\
                    policy.js:8:7 Error: top\n";
        assert_eq!(
            failure(said, &world()).to_string(),
            "the policy doesn't compile:\npolicy.js:8:7 Error: top"
        );
    }
}
