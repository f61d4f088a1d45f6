//! C, by the compiler and linker in `zig`, with bindings made here.
//!
//! The same source gives the same component.

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
pub const FLAGS: [&str; 8] = [
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-std=c17",
    "-Os",
    "-Wall",
    "-Wextra",
    // Of 16 MiB otherwise, which each instance would have for itself.
    "-Wl,-z,stack-size=262144",
];

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
    zig.arg(bindings.join(format!("{NAME}_component_type.o")));
    zig.env("ZIG_GLOBAL_CACHE_DIR", workshop.tools.directory.join("zig-cache"));
    zig.env("ZIG_LOCAL_CACHE_DIR", scratch.path().join("zig-cache"));
    let said = zig.current_dir(directory).run()?;
    if !said.well {
        return Err(failure(&format!("{}{}", said.stdout, said.stderr), world));
    }
    if !said.stderr.trim().is_empty() {
        workshop.tools.say(said.stderr.trim_end());
    }
    let module = fs::read(&output).map_err(at(&output))?;
    taskhost_guest_build::component(&module)
        .map_err(|error| Error::Source(format!("it is no policy: {error:#}")))
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
