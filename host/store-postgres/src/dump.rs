//! Everything that a board holds, record by record.

use taskhost_board::image::Record;
use taskhost_board::{Command, Millis, ReadError, Space};

use crate::link::Call;
use crate::rows::{bigint, task_of};
use crate::sql;
use crate::tx::Tx;
use crate::view::{json, key_record, task_id};

/// How many tasks are read at a time.
const PAGE: i64 = 1_000;

/// Hands over everything but the head, policies and settings, until `each` says `false`.
pub(crate) fn dump(
    tx: &mut Tx,
    now: Millis,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<(), ReadError> {
    let mut past: i64 = -1;
    loop {
        let rows = tx.rows(Call::of(sql::TASKS_BY_AGE, vec![&past, &PAGE]))?;
        let Some(last) = rows.last() else { break };
        past = last.get("born");
        for row in &rows {
            let task = task_of(row.get("body"), row.get("data"), row.get("result"))?;
            if !each(Record::Task(Box::new(task))) {
                return Ok(());
            }
        }
    }
    for record in rest(tx, now)? {
        if !each(record) {
            return Ok(());
        }
    }
    Ok(())
}

fn rest(tx: &mut Tx, now: Millis) -> Result<Vec<Record>, ReadError> {
    let since = bigint(now.0.saturating_sub(tx.outset.basis.settings.keys_kept_ms()));
    let mut records = Vec::new();
    for row in tx.rows(Call::of(sql::KEYS, vec![&since]))? {
        let command = command_of(row.get("command"))?;
        records.push(Record::Key { command, key: row.get("key"), record: key_record(&row)? });
    }
    for row in tx.rows(Call::of(sql::MEMORY, Vec::new()))? {
        let space = match row.get("space") {
            "custom" => Space::Custom,
            _ => Space::Standard,
        };
        let key = String::from_utf8_lossy(row.get("key")).into_owned();
        records.push(Record::Memory { space, key, value: row.get("value") });
    }
    for row in tx.rows(Call::of(sql::METAS, Vec::new()))? {
        records
            .push(Record::Meta { key: task_id(row.get("key"))?, value: json(row.get("value"))? });
    }
    for row in tx.rows(Call::of(sql::WAKES, vec![&i64::MAX]))? {
        let past: Option<String> = row.get("past");
        let past = past.map(task_id).transpose()?;
        records.push(Record::Wake { on: task_id(row.get("awaited"))?, past });
    }
    Ok(records)
}

fn command_of(word: &str) -> Result<Command, ReadError> {
    let found = Command::ALL.into_iter().find(|command| command.as_str() == word);
    found.ok_or_else(|| ReadError::Damaged(format!("a request key's row has the command `{word}`")))
}
