//! SQLite, as a careful team would use it for the same work.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{Claimer, Contender, DATA};

/// One table with an index for the order, one `UPDATE … RETURNING` for a claim.
pub struct Sqlite;

/// The database's file in its directory.
pub const FILE: &str = "tasks.db";

const SCHEMA: &str = "
    CREATE TABLE task (
        born INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending',
        priority INTEGER NOT NULL DEFAULT 0,
        data TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        agent TEXT,
        token INTEGER,
        since INTEGER,
        lease_until INTEGER
    );
    CREATE INDEX ready ON task (priority DESC, born) WHERE status = 'pending';
    CREATE INDEX lease ON task (lease_until) WHERE status = 'in_progress';
    CREATE TABLE head (token INTEGER NOT NULL);
    INSERT INTO head VALUES (0);
";

/// The next task in order, for this agent, with the next token.
pub const CLAIM: &str = "
    UPDATE task
    SET status = 'in_progress', agent = ?1, token = ?2, since = ?3, lease_until = ?4, attempts = attempts + 1
    WHERE born = (SELECT born FROM task WHERE status = 'pending' ORDER BY priority DESC, born LIMIT 1)
    RETURNING id, type, priority, data, attempts, token";

impl Contender for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn durability(&self) -> &'static str {
        "WAL, `synchronous=FULL`: the log is synced before the answer, under the write lock"
    }

    fn prepare(&self, at: &Path, tasks: u64) -> Result<()> {
        let mut connection = connect(&at.join(FILE))?;
        schema(&connection)?;
        let ready = (0..tasks).map(|number| Ok((format!("work_{number:08x}"), DATA.to_owned())));
        insert_with(&mut connection, 0, ready)?;
        connection.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(())
    }

    fn open(&self, at: &Path, agent: &str) -> Result<Box<dyn Claimer>> {
        Ok(Box::new(Client { connection: connect(&at.join(FILE))?, agent: agent.to_owned() }))
    }
}

/// Makes the tables.
pub fn schema(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch(SCHEMA)?)
}

/// Adds ready tasks, given as id and data, in one transaction; says how many there were. The first is born at this number.
pub fn insert_with(
    connection: &mut Connection,
    first: i64,
    tasks: impl Iterator<Item = Result<(String, String)>>,
) -> Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut born = first;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO task (born, id, type, data) VALUES (?1, ?2, 'work', ?3)",
        )?;
        for task in tasks {
            let (id, data) = task?;
            insert.execute(params![born, id, data])?;
            born += 1;
        }
    }
    transaction.commit()?;
    Ok(born - first)
}

/// Opens a database as durable as it can be.
pub fn connect(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

struct Client {
    connection: Connection,
    agent: String,
}

const LEASE_MS: i64 = 30 * 60 * 1000;

impl Claimer for Client {
    fn claim(&mut self) -> Result<bool> {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let claimed = {
            let token: i64 = transaction
                .prepare_cached("UPDATE head SET token = token + 1 RETURNING token")?
                .query_row([], |row| row.get(0))?;
            let mut claim = transaction.prepare_cached(CLAIM)?;
            let mut rows = claim.query(params![self.agent, token, now, now + LEASE_MS])?;
            // Read whole, as a caller would.
            let claimed = rows.next()?.map(|row| -> rusqlite::Result<(String, String)> {
                Ok((row.get(0)?, row.get(3)?))
            });
            claimed.transpose()?.is_some()
        };
        if claimed {
            transaction.commit()?;
        }
        Ok(claimed)
    }
}
