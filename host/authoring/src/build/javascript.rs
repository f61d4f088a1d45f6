//! JavaScript, by `componentize-js`: an engine as WebAssembly, with the author's modules loaded already.
//!
//! It runs the modules' top level once, at build time, in a sandbox that sees copies of the project's files of JavaScript
//! and nothing else of the machine. The engine draws random numbers then, so that no two components are the same byte
//! for byte.
//!
//! Invariant: a policy never sees those numbers, nor the time of its build. What it is loaded by evaluates a prelude
//! first, in which JavaScript's own time and random numbers become the contract's.
//!
//! The engine has nothing to print to, so that an error which leaves a hook would end the call without a word. Each hook is
//! guarded (`telling.js`): what it throws, or answers against the contract, is the last line of the policy's log.

use std::fs;

use serde_json::Value;

use super::shapes::{self, lower_camel};
use super::stamp::extensions;
use super::{UNNAMED, Workshop, unnamed};
use crate::carried::Carried;
use crate::error::{Error, Result, at};
use crate::files::{sources, write, write_all};
use crate::world::{NAME, World};

/// What calls the tool.
const SCRIPT: &str = include_str!("javascript.mjs");

/// The module that is loaded, without the hooks.
const ENTRY: &str = include_str!("entry.js");

/// What is put beside it and the author's source. Hidden files, since none of those is the author's.
const ADDED: [Carried; 2] =
    [(".prelude.js", include_str!("prelude.js")), (".telling.js", include_str!("telling.js"))];

/// What these import, and what for.
const NEEDED: [(&str, &str); 3] = [
    ("clock", "JavaScript's own time comes"),
    ("random", "JavaScript's own random numbers come"),
    ("log", "what goes wrong is told"),
];

/// What makes a component of the author's source, beside the tool.
pub fn parts() -> impl Iterator<Item = &'static str> {
    ADDED.map(|(_, content)| content).into_iter().chain([ENTRY, SCRIPT])
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
    write(&directory.join(".entry.js"), entry(world).as_bytes())?;
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

/// The module that is loaded, with each hook that the world exports, and an end to the build for each that it doesn't.
fn entry(world: &World) -> String {
    let mut text = ENTRY.to_owned();
    for hook in world.hooks() {
        let name = lower_camel(&hook.interface);
        let shapes: serde_json::Map<String, Value> = hook
            .functions
            .iter()
            .map(|function| {
                let answer = world.answer(&hook.interface, function);
                let shape = answer.map(|answer| shapes::shape(&world.resolve, &answer));
                (lower_camel(function), shape.unwrap_or_else(|| "any".into()))
            })
            .collect();
        let names = Value::from(vec![world.full_name(&hook.interface), name.clone()]);
        let shapes = Value::from(shapes);
        text += &format!("\nexport const {name} = guarded(policy, {names}, {shapes});");
    }
    for hook in world.left_out() {
        let name = lower_camel(&hook.interface);
        let what = format!("`policy.js` exports `{name}`");
        let why = Value::from(format!("{UNNAMED}{}", unnamed(world, &hook, &what)));
        text += &format!("\nrefuse(policy, \"{name}\", {why});");
    }
    text + "\n"
}

/// What is added can't do without these, whether or not the author's source uses them.
fn check_imports(world: &World) -> Result<()> {
    let imports = world.imports();
    match NEEDED.iter().find(|(needed, _)| !imports.iter().any(|import| import == needed)) {
        None => Ok(()),
        Some((needed, what)) => Err(Error::World(format!(
            "it doesn't import `{needed}`, by which {what}: \
             write `include taskhost:policy/imports@0.1.0;` into its world"
        ))),
    }
}

/// What the author needs of what was said.
fn failure(said: &str, world: &World) -> Error {
    if let Some((_, unnamed)) = said.split_once(UNNAMED) {
        return Error::MissingHook(unnamed.lines().next().unwrap_or_default().to_owned());
    }
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

    /// A hook that the world doesn't name was left out, and nobody told its author, who waited for it to be called.
    #[test]
    fn hook_that_the_world_does_not_name_ends_the_build_with_the_line_to_add() {
        let entry = entry(&world());
        assert!(entry.contains(
            "export const lifecycle = guarded(policy, [\"taskhost:policy/lifecycle@0.1.0\","
        ));
        assert!(!entry.contains("refuse(policy, \"lifecycle\""));
        let line = entry.lines().find(|line| line.starts_with("refuse(policy, \"readiness\""));
        let said = format!(".entry.js:9:1 Error: {}", line.expect("it is refused"));
        let error = failure(&said, &world());
        assert_eq!(error.word(), "missing_hook");
        assert!(
            error.to_string().starts_with("`policy.js` exports `readiness`, a hook"),
            "{error}"
        );
        assert!(error.to_string().contains("`export taskhost:policy/readiness@0.1.0;`"), "{error}");
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
