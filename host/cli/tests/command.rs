//! The command starts and says what it is.
//!
//! That there is an integration test here also has `cargo nextest run --workspace` build the command, which the
//! end-to-end tests in `tests/` run: without one they would test whatever was built last.

use std::process::Command;

#[test]
fn command_says_its_name_and_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_taskhost")).arg("--version").output();
    let output = output.expect("the command starts");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), concat!("taskhost ", env!("CARGO_PKG_VERSION")));
}
