//! Databases with a board and a queue of the same tasks in each.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use taskhost_test_postgres::{Access, Options, Server};

use crate::bench::Bench;
use crate::contender::{Contender as _, Queue, Taskhost};

/// For the largest fleet: what each process needs for its claims, for its life, and once in a while beside them.
const CONNECTIONS_MAX: u16 = 300;
const PATTERN: &str = "pattern";

/// A server that was started for this, and a database to be copied.
pub struct Databases {
    server: Server,
    /// How many tasks the one has that is copied.
    tasks: u64,
    made: usize,
}

/// One of them. It goes when this is dropped.
pub struct Database {
    server: Access,
    access: Access,
    name: String,
}

impl Databases {
    /// On the disk that is measured, as PostgreSQL is set unless somebody says otherwise: what was committed is on the
    /// disk, and tables are vacuumed.
    pub fn start(bench: &Bench) -> Result<Self> {
        let at = bench.scratch("postgres")?;
        let options = Options::default().inside(&at).connections_max(CONNECTIONS_MAX);
        Ok(Self { server: Server::start(options)?, tasks: 0, made: 0 })
    }

    /// Fills the one that is copied from now on, unless it has as many tasks already.
    pub fn fill(&mut self, bench: &Bench, tasks: u64) -> Result<()> {
        if self.tasks == tasks {
            return Ok(());
        }
        bench.say(&format!("making a board of {tasks} tasks in PostgreSQL"));
        let server = self.server.access();
        server.psql(&format!("DROP DATABASE IF EXISTS {PATTERN} WITH (FORCE)"))?;
        let access = server.create_database(PATTERN)?;
        let at = PathBuf::from(access.board("main"));
        Taskhost::STANDARD.prepare(&at, tasks)?;
        Queue.prepare(&at, tasks)?;
        access.psql("VACUUM (ANALYZE)")?;
        self.tasks = tasks;
        Ok(())
    }

    /// A copy of it.
    pub fn copy(&mut self, bench: &Bench) -> Result<Database> {
        self.made += 1;
        let name = format!("copy_{}", self.made);
        let server = self.server.access().clone();
        let options = format!("TEMPLATE {PATTERN} STRATEGY file_copy");
        server.psql(&format!("CREATE DATABASE {name} {options}"))?;
        server.psql("CHECKPOINT")?;
        bench.settle()?;
        Ok(Database { access: server.to_database(&name), server, name })
    }
}

impl Database {
    /// The address of its board for a process that has so many connections at most; the queue is there as well.
    pub fn board(&self, connections: usize) -> PathBuf {
        format!("{}&pool={connections}", self.access.board("main")).into()
    }

    /// What `psql` says in it.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.access.psql(sql)
    }

    /// How often in a second `pgbench` gets a statement done.
    pub fn pgbench(&self, statement: &str, clients: usize, during: Duration) -> Result<f64> {
        self.access.pgbench(statement, clients, during)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What can't be removed now goes with the server.
        let _ = self.server.psql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
