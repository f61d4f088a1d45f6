//! Notes which compiler builds the program, since the figures depend on it.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RUSTC");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().ok();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_else(|| "rustc unknown".to_owned());
    println!("cargo::rustc-env=BENCH_RUSTC={}", version.trim());
}
