//! C, by the compiler and linker in `zig`, with bindings made here.
//!
//! The same source gives the same component.
//!
//! Of C's library there is what needs no system: text, memory, numbers. What would need one is refused by name
//! ([`missing_power`]); only a failed `assert` is given a way to say itself, in `assert.c`.

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;

use super::Workshop;
use super::stamp::extensions;
use crate::error::{Error, Result, at};
use crate::files::{sources, write};
use crate::languages::Language;
use crate::tools::{Program, PythonTool};
use crate::world::{NAME, World};

/// How C is compiled: a library that is entered by its exports, without `main`.
pub const FLAGS: [&str; 10] = [
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-std=c17",
    "-Os",
    "-Wall",
    "-Wextra",
    // With `-Os` it is defined otherwise, and no `assert` would ever fail.
    "-UNDEBUG",
    // By another name than the library's, so that the linker never has two.
    "-D__assert_fail=taskhost_policy_assert_failed",
    // Of 16 MiB otherwise, which each instance would have for itself.
    "-Wl,-z,stack-size=262144",
];

/// What a failed `assert` calls.
pub const ASSERT: &str = include_str!("assert.c");
/// By which `assert.c` knows that there is a log.
const LOGS: &str = "-DTASKHOST_POLICY_LOGS";

pub fn build(workshop: &Workshop<'_>, world: &World) -> Result<Vec<u8>> {
    let python = workshop.tools.python_of(PythonTool::Zig)?;
    let scratch = workshop.scratch()?;
    let output = scratch.path().join("module.wasm");
    let bindings = workshop.work.join("c");
    let directory = &workshop.project.directory;

    let mut zig = Program::new(&python);
    zig.args(["-I", "-m", "ziglang", "cc"]).args(FLAGS);
    // Paths as they are in the project, whatever is above it: they may end up in the component.
    zig.arg(format!("-ffile-prefix-map={}=.", directory.display()));
    zig.arg("-I").arg(&bindings).arg("-I").arg(".").arg("-o").arg(&output);
    zig.args(own(directory)?);
    zig.arg(bindings.join(format!("{NAME}.c")));
    let assert = bindings.join("assert.c");
    write(&assert, ASSERT.as_bytes())?;
    zig.arg(assert);
    if world.imports().iter().any(|interface| interface == "log") {
        zig.arg(LOGS);
    }
    zig.arg(bindings.join(format!("{NAME}_component_type.o")));
    let cache = workshop.tools.directory.join("zig-cache");
    if !cache.exists() {
        workshop
            .tools
            .say("compiling C's library for WebAssembly, then the policy (half a minute, once)");
    }
    zig.env("ZIG_GLOBAL_CACHE_DIR", cache);
    zig.env("ZIG_LOCAL_CACHE_DIR", scratch.path().join("zig-cache"));
    let said = zig.current_dir(directory).run()?;
    if !said.well {
        return Err(failure(&format!("{}{}", said.stdout, said.stderr), world));
    }
    if !said.stderr.trim().is_empty() {
        workshop.tools.say(said.stderr.trim_end());
    }
    let module = fs::read(&output).map_err(at(&output))?;
    taskhost_guest_build::component(&module).map_err(|error| {
        let said = format!("{error:#}");
        Error::Source(missing_power(&said).unwrap_or(format!("it is no policy: {said}")))
    })
}

/// What WASI calls the system's functions, by their beginnings; of what in C's library they are a part; and what to do
/// without it.
const POWERS: [(&[&str], &str, &str); 6] = [
    (
        &["fd_", "path_"],
        "C's input and output (as `printf` or `fopen` do)",
        "write to the log with `taskhost_policy_log_write`; `snprintf` makes text",
    ),
    (
        &["clock_"],
        "C's time (as `time` does)",
        "`taskhost_policy_clock_now` says it, in milliseconds",
    ),
    (
        &["environ_"],
        "the environment (as `getenv` does)",
        "`taskhost_policy_settings_get` gets a setting",
    ),
    (&["random_"], "the system's random numbers", "`taskhost_policy_random_next` draws one"),
    (&["proc_exit"], "`exit`", "return from the hook, or stop it with `abort`"),
    (&["args_", "poll_", "sched_", "sock_"], "the operating system", "do without it"),
];

/// What of C's library a policy hasn't, in the author's words: the linker's are of a system that they haven't heard of.
fn missing_power(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("wasi_snapshot_preview1::")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let function = &rest[..end];
    let begins = |beginnings: &&[&str]| beginnings.iter().any(|it| function.starts_with(it));
    let (_, what, instead) = POWERS.iter().find(|(beginnings, ..)| begins(beginnings))?;
    Some(format!("it uses {what}, which a policy hasn't: {instead} (it would import `{function}`)"))
}

/// The author's sources, as the compiler is told them: `@x.c` alone would be a file with more arguments, and `-x.c` one.
fn own(directory: &Path) -> Result<Vec<PathBuf>> {
    Ok(sources(directory, extensions(Language::C))?
        .iter()
        .map(|file| Path::new(".").join(file))
        .collect())
}

/// Writes the header that declares the contract, and what stands behind it.
pub fn write_bindings(directory: &Path, world: &mut World) -> Result<()> {
    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    generator.generate(&mut world.resolve, world.id, &mut files)?;
    files.iter().try_for_each(|(name, content)| write(&directory.join(name), content))
}

/// What the author needs of what was said; a hook that isn't there is a symbol that the linker doesn't find.
fn failure(said: &str, world: &World) -> Error {
    let undefined = |name: &String| {
        said.lines().any(|line| line.contains("undefined symbol") && line.contains(name.as_str()))
    };
    for hook in world.hooks() {
        let name =
            |function: &String| format!("exports_taskhost_policy_{}_{function}", hook.interface);
        let names = hook.functions.iter().map(name).map(|name| name.replace('-', "_"));
        if let Some(name) = names.into_iter().find(undefined) {
            return Error::MissingHook(format!(
                "no function `{name}` is in the source, and `world.wit` exports `{}`",
                hook.interface
            ));
        }
    }
    Error::Source(said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that was said of `printf` was that an import `wasi_snapshot_preview1::fd_close` failed to resolve.
    #[test]
    fn what_c_has_elsewhere_is_named_as_its_author_knows_it() {
        for (function, words, instead) in [
            ("fd_close", "`printf`", "`taskhost_policy_log_write`"),
            ("path_open", "`fopen`", "`taskhost_policy_log_write`"),
            ("clock_time_get", "`time`", "`taskhost_policy_clock_now`"),
            ("environ_sizes_get", "`getenv`", "`taskhost_policy_settings_get`"),
            ("random_get", "random", "`taskhost_policy_random_next`"),
            ("proc_exit", "`exit`", "`abort`"),
        ] {
            let said = format!("failed to resolve import `wasi_snapshot_preview1::{function}`");
            let told = missing_power(&said).expect("it is known");
            assert!(told.contains(words) && told.contains(instead), "{told}");
        }
        assert_eq!(missing_power("failed to decode world from module"), None);
    }

    /// A file of the project called `@x.c` was read as arguments, among them plugins to run; `-x.c` was one itself.
    #[test]
    fn names_of_sources_are_never_arguments() {
        let directory = tempfile::tempdir().expect("there is room");
        for name in ["policy.c", "@more.c", "-v.c", "parts/-v.c"] {
            write(&directory.path().join(name), b"").expect("it can be written");
        }
        let own = own(directory.path()).expect("they are there");
        let own: Vec<_> = own.iter().map(|path| path.as_os_str()).collect();
        assert_eq!(own, ["./-v.c", "./@more.c", "./parts/-v.c", "./policy.c"]);
    }
}
