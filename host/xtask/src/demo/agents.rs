//! The processes that work: one `taskhost run` for each agent.

use super::taskhost::Taskhost;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Child;

/// Those that were started. If the demo gives up, they are ended with it.
#[derive(Default)]
pub struct Agents(Vec<Agent>);

struct Agent {
    name: String,
    log: PathBuf,
    process: Child,
}

impl Agents {
    /// Starts one that calls `work` for each of its tasks.
    pub fn start(
        &mut self,
        taskhost: &Taskhost,
        name: &str,
        log: &Path,
        work: &[&OsStr],
    ) -> Result<()> {
        let process = taskhost.agent(name, log, work)?;
        self.0.push(Agent { name: name.to_owned(), log: log.to_owned(), process });
        Ok(())
    }

    /// Whether one of them hasn't ended.
    pub fn any_works(&mut self) -> Result<bool> {
        for agent in &mut self.0 {
            if agent.process.try_wait()?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until all have ended, and says of each that didn't end well how it did.
    pub fn wait(mut self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for Agent { name, log, process } in &mut self.0 {
            let status = process.wait().with_context(|| format!("can't wait for `{name}`"))?;
            if !status.success() {
                faults.push(format!(
                    "`{name}` ended with {status}: what it printed is in `{}`",
                    log.display()
                ));
            }
        }
        Ok(faults)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for agent in &mut self.0 {
            // An error means that it has ended already.
            let _ = agent.process.kill();
            let _ = agent.process.wait();
        }
    }
}
