//! The rows of `figures`: one statement for each thing that is done with them, so that nobody is found holding one, and
//! none of them waits for its commit to be on the server's disk.

use std::time::{Duration, Instant as Deadline};

use taskhost_board::{Millis, Process, ReadError};

use super::totals::Totals;
use crate::link::{Call, LinkError, Row as Answer};
use crate::rows::{bigint, number};
use crate::shared::Shared;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is tried anew because a connection turned out to be broken.
const TRIES: usize = 2;

/// A commit that is lost with the server takes a moment's figures with it, and nothing else.
macro_rules! lightly {
    ($statement:literal) => {
        concat!(
            "WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true), \
               (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1 AS now) ",
            $statement
        )
    };
}

const INSERT: &str = lightly!(
    "INSERT INTO figures (writer, pid, process, since, written, has_ended, totals) \
     SELECT $2, $3, $4, now, now, $5, $6 FROM lightly \
     ON CONFLICT (writer) DO UPDATE SET has_ended = excluded.has_ended, totals = excluded.totals \
     RETURNING (SELECT count(*) FROM figures) AS there"
);
const UPDATE: &str = lightly!(
    "UPDATE figures SET written = now, turn = turn + 1, has_ended = $3, totals = $4 \
     FROM lightly WHERE writer = $2 RETURNING writer"
);
const ALL: &str = "\
SELECT writer, turn, pid, process, since, written, has_ended, totals FROM figures ORDER BY writer";
/// Fails where one of those that are to go isn't as it was any more.
const REPLACE: &str = lightly!(
    ", gone AS (DELETE FROM figures f USING unnest($2::text[], $3::bigint[]) AS g (writer, turn) \
       WHERE f.writer = g.writer AND f.turn = g.turn RETURNING f.writer) \
     INSERT INTO figures (writer, since, written, has_ended, totals) \
     SELECT $4, $5, now, true, $6 FROM lightly, (SELECT count(*) AS n FROM gone) g \
     WHERE 1 / (g.n = cardinality($2::text[]))::integer = 1"
);

/// A process's row, or one of many that were put together.
pub(super) struct Row {
    pub(super) writer: String,
    /// How often it was written before.
    turn: i64,
    pub(super) pid: Option<u32>,
    pub(super) process: Option<String>,
    pub(super) since: Millis,
    pub(super) written: i64,
    pub(super) has_ended: bool,
    pub(super) totals: Totals,
}

fn text(totals: &Totals) -> Result<String, ReadError> {
    serde_json::to_string(totals).map_err(|error| ReadError::Failed(error.to_string()))
}

/// Gets a connection by `deadline`, and waits for the answer no longer than is bearable beside the work.
fn ask(shared: &Shared, deadline: Deadline, call: Call<'_>) -> Result<Vec<Answer>, ReadError> {
    let failed = |error: &dyn ToString| ReadError::Failed(error.to_string());
    let mut tries = 0;
    loop {
        let mut link = shared.pool.get(deadline).map_err(|error| failed(&error))?;
        link.set_patience(PATIENCE);
        match link.pipeline(std::slice::from_ref(&call)) {
            // It had been idle since before the server was restarted.
            Err(LinkError::Lost(_)) if tries < TRIES && !link.is_fresh() => tries += 1,
            answered => {
                return Ok(answered.map_err(|error| failed(&error))?.pop().unwrap_or_default());
            }
        }
    }
}

/// Writes the first row of a writer. Says how many there were before.
pub(super) fn insert(
    shared: &Shared,
    deadline: Deadline,
    writer: &str,
    process: Option<&Process>,
    is_last: bool,
    totals: &Totals,
) -> Result<usize, ReadError> {
    let pid = i64::from(process.map_or_else(std::process::id, |process| process.pid));
    let process = process.and_then(|process| serde_json::to_string(process).ok());
    let (totals, offset) = (text(totals)?, shared.offset());
    let call = Call::of(INSERT, vec![&offset, &writer, &pid, &process, &is_last, &totals]);
    let rows = ask(shared, deadline, call)?;
    let there = rows.first().map(|row| number(row.get("there"))).unwrap_or_default();
    Ok(usize::try_from(there).unwrap_or(usize::MAX))
}

/// Writes a writer's row again; whether it was there.
pub(super) fn update(
    shared: &Shared,
    deadline: Deadline,
    writer: &str,
    is_last: bool,
    totals: &Totals,
) -> Result<bool, ReadError> {
    let (totals, offset) = (text(totals)?, shared.offset());
    let call = Call::of(UPDATE, vec![&offset, &writer, &is_last, &totals]);
    Ok(!ask(shared, deadline, call)?.is_empty())
}

/// All of them.
pub(super) fn all(shared: &Shared, deadline: Deadline) -> Result<Vec<Row>, ReadError> {
    let row = |row: &Answer| {
        let pid: Option<i64> = row.get("pid");
        Row {
            writer: row.get("writer"),
            turn: row.get("turn"),
            pid: pid.and_then(|pid| u32::try_from(pid).ok()),
            process: row.get("process"),
            since: Millis(number(row.get("since"))),
            written: row.get("written"),
            has_ended: row.get("has_ended"),
            // What another version wrote, and isn't known here, is left out.
            totals: serde_json::from_str(row.get("totals")).unwrap_or_default(),
        }
    };
    Ok(ask(shared, deadline, Call::of(ALL, Vec::new()))?.iter().map(row).collect())
}

/// Puts one row in the place of these, unless any of them has changed.
pub(super) fn replace(
    shared: &Shared,
    deadline: Deadline,
    gone: &[&Row],
    since: Millis,
    totals: &Totals,
) -> Result<(), ReadError> {
    let writers: Vec<&str> = gone.iter().map(|row| row.writer.as_str()).collect();
    let turns: Vec<i64> = gone.iter().map(|row| row.turn).collect();
    let writer = format!("{:016x}", crate::random());
    let (totals, offset, since) = (text(totals)?, shared.offset(), bigint(since.0));
    let call = Call::of(REPLACE, vec![&offset, &writers, &turns, &writer, &since, &totals]);
    ask(shared, deadline, call).map(drop)
}
