//! The bindings in `bindings/` are what the tools make of the contract, for the world that has every hook.
//!
//! They change when the contract or a tool does: `TASKHOST_NEW_BINDINGS=1 cargo test -p taskhost-authoring bindings`
//! writes them anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::carried::{self, Carried};
use crate::files::write_all;
use crate::tools::{Installing, Program, PythonTool, Tools};

/// What is generated for.
const WORLD: &str = "everything";

/// Where `cargo xtask setup --for-tests` puts tools.
fn tools_of_workspace() -> PathBuf {
    let guests = taskhost_guest_build::target_dir(&package().join("../.."));
    guests.parent().expect("it is in the target directory").join("guest-tools")
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares what is carried with what a tool has written, or takes that over.
fn compare(carried: &[Carried], made: &Path, kept: &str) {
    if env::var_os("TASKHOST_NEW_BINDINGS").is_some() {
        let kept = package().join("bindings").join(kept);
        fs::remove_dir_all(&kept).expect("it is there");
        let copied = Program::new(Path::new("cp")).arg("-r").arg(made).arg(&kept).run();
        assert!(copied.expect("`cp` is there").well);
        return;
    }
    for (path, content) in carried {
        let fresh = fs::read_to_string(made.join(path)).unwrap_or_default();
        assert_eq!(&fresh, content, "`{path}` isn't what the tool makes of the contract");
    }
}

fn contract(folder: &Path) -> PathBuf {
    let wit = folder.join("wit");
    write_all(&wit, carried::CONTRACT).expect("there is room");
    wit
}

#[test]
fn bindings_for_python_are_made_of_the_contract() {
    let tools = tools_of_workspace();
    let tools = Tools::in_directory(&tools, Installing::Forbidden, &|_| ());
    let Ok(python) = tools.python_of(PythonTool::ComponentizePy) else {
        return println!("skipped: `cargo xtask setup --for-tests` gets the tool");
    };
    let folder = tempfile::tempdir().expect("there is room");
    let made = folder.path().join("python");
    let mut tool = Program::new(&python);
    tool.args(["-I", "-c", "import sys; from componentize_py import script; sys.exit(script())"]);
    tool.arg("--quiet").arg("--wit-path").arg(contract(folder.path())).args(["--world", WORLD]);
    let said = tool.arg("bindings").arg(&made).run().expect("it can be started");
    assert!(said.well, "{}", said.end());
    compare(carried::PYTHON_BINDINGS, &made, "python");
}

#[test]
fn bindings_for_javascript_are_made_of_the_contract() {
    let tools = tools_of_workspace();
    let tools = Tools::in_directory(&tools, Installing::Forbidden, &|_| ());
    let found =
        tools.node().and_then(|node| tools.componentize_js(&node).map(|place| (node, place)));
    let Ok((node, place)) = found else {
        return println!("skipped: `cargo xtask setup --for-tests` gets the tool");
    };
    let folder = tempfile::tempdir().expect("there is room");
    let made = folder.path().join("javascript");
    let mut program = node.program();
    program.arg(package().join("tests/javascript-types.mjs")).arg(&place);
    let said = program.arg(contract(folder.path())).arg(WORLD).arg(&made).run();
    let said = said.expect("it can be started");
    assert!(said.well, "{}", said.end());
    compare(carried::JAVASCRIPT_BINDINGS, &made, "javascript");
}
