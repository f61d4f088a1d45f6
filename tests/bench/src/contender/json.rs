//! The design that teams begin with: one JSON file, rewritten whole under a lock, in Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Claimer, Contender, DATA};
use crate::programs;

/// A file that `json.load` reads and `json.dump` writes for each claim.
pub struct Json;

const PYTHON: &str = "python3";
const FILE: &str = "tasks.json";
const SCRIPT: &str = include_str!("json_file.py");

impl Json {
    /// Whether there is a Python to run it.
    pub fn is_here() -> bool {
        programs::version(PYTHON).is_some()
    }
}

impl Contender for Json {
    fn name(&self) -> &'static str {
        "JSON file"
    }

    fn durability(&self) -> &'static str {
        "`fcntl` lock, whole file written beside, `fsync`, rename; the directory isn't synced"
    }

    fn prepare(&self, at: &Path, tasks: u64) -> Result<()> {
        let data: Value = serde_json::from_str(DATA)?;
        let task = |number: u64| {
            json!({
                "id": format!("work_{number:08x}"), "type": "work", "status": "pending", "priority": 0, "data": data,
                "attempts": 0, "agent": null, "since": null,
            })
        };
        let tasks: Vec<Value> = (0..tasks).map(task).collect();
        fs::write(at.join(FILE), serde_json::to_vec_pretty(&json!({ "tasks": tasks }))?)?;
        Ok(())
    }

    fn open(&self, _at: &Path, _agent: &str) -> Result<Box<dyn Claimer>> {
        bail!("its workers are a program in Python")
    }

    fn worker(&self) -> Result<Command> {
        let mut command = Command::new(PYTHON);
        command.args(["-c", SCRIPT]);
        Ok(command)
    }
}
