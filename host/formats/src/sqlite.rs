//! `sqlite`: a database with a table `tasks`, a row for each task.
//!
//! A row is an object of its columns that aren't null: numbers and texts are themselves, and bytes, among them texts that
//! aren't UTF-8, `{"base64": …}`. The names and types of columns are remembered; constraints and indexes aren't. What is an object or a list on the board stands as JSON text in a database.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rusqlite::types::{ToSqlOutput, Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Number, Value, json};
use taskhost_board::{Json, TaskId};

use crate::aside::{ASIDE, put_aside};
use crate::assemble::{self, Source};
use crate::dialect::{Dialect, Role};
use crate::json_files::{imported_meta, part, remarks_on_meta, remembered};
use crate::saving::Draft;
use crate::shaping::Shaped;
use crate::{Error, Foreign, Format, ReadOptions, Remark, text};

/// How every database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

pub(crate) fn is_database(path: &Path) -> bool {
    let mut beginning = [0; MAGIC.len()];
    File::open(path)
        .is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok() && beginning == *MAGIC)
}

pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    text::expect_file(path)?;
    let format = Format::Sqlite;
    let expected = "an SQLite database with a table `tasks`, which has a column `id`".into();
    let shape = Error::Shape { path: path.to_owned(), format, expected };
    if !is_database(path) {
        return Err(shape);
    }
    let Some(content) = read_database(path)
        .map_err(|e| Error::Database { path: path.to_owned(), why: e.to_string() })?
    else {
        return Err(shape);
    };
    let mut remarks: Vec<Remark> = content
        .others
        .into_iter()
        .map(|table| Remark {
            task: None,
            field: table,
            why: "another table, so it is left out".into(),
        })
        .collect();
    let sources = content.rows.into_iter().map(Source::of).collect();
    let (arrivals, of_tasks) = assemble::all(Dialect::of(format), sources, options)?;
    remarks.extend(of_tasks);
    let columns: Vec<Value> =
        content.columns.into_iter().map(|(name, declared)| json!([name, declared])).collect();
    let meta = vec![imported_meta(json!({ "format": format.as_str(), "columns": columns }))?];
    Ok(Foreign { arrivals, meta, remarks })
}

struct Content {
    rows: Vec<Map<String, Value>>,
    /// The names of the columns, with the types they were declared with.
    columns: Vec<(String, String)>,
    others: Vec<String>,
}

/// What stands in the database at one instant; `None` if it has no tasks.
fn read_database(path: &Path) -> Result<Option<Content>, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let transaction = connection.transaction()?;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let tables: Vec<String> =
        transaction.prepare(tables)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (ours, others): (Vec<String>, Vec<String>) =
        tables.into_iter().partition(|name| name.eq_ignore_ascii_case("tasks"));
    if ours.is_empty() {
        return Ok(None);
    }
    // Asked for as values: a name that isn't UTF-8 is an error there, and a panic as the name of a result's column. What
    // is hidden isn't selected by `*`.
    let columns: Vec<(String, String)> = transaction
        .prepare("SELECT name, type FROM pragma_table_xinfo('tasks') WHERE hidden <> 1")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if !columns.iter().any(|(name, _)| is_id_name(name)) {
        return Ok(None);
    }
    let mut rows = Vec::new();
    let mut select = transaction.prepare("SELECT * FROM tasks")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let mut object = Map::new();
        for (index, (name, _)) in columns.iter().enumerate() {
            let value = of_cell(row.get_ref(index)?);
            if !value.is_null() {
                object.insert(name.clone(), value);
            }
        }
        rows.push(object);
    }
    Ok(Some(Content { rows, columns, others }))
}

fn is_id_name(name: &str) -> bool {
    let rule = Dialect::of(Format::Sqlite).rule(Role::Id);
    rule.is_some_and(|rule| rule.names.iter().any(|own| own.eq_ignore_ascii_case(name)))
}

/// What a row has in a column, whose name is the same in any case.
fn in_column<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let same = || row.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    row.get(name).or_else(|| same().map(|(_, value)| value))
}

fn of_cell(cell: ValueRef<'_>) -> Value {
    let bytes = |bytes: &[u8]| json!({ "base64": BASE64_STANDARD.encode(bytes) });
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        // What is no number in JSON can't be computed with there either.
        ValueRef::Real(number) => {
            Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or_else(|_| bytes(text), |text| text.into())
        }
        ValueRef::Blob(blob) => bytes(blob),
    }
}

fn to_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Integer((*flag).into()),
        Value::Number(number) => number_cell(&number.to_string()),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Object(object) if object.len() == 1 => {
            let blob = object.get("base64").and_then(Value::as_str);
            match blob.and_then(|text| BASE64_STANDARD.decode(text).ok()) {
                Some(blob) => Cell::Blob(blob),
                None => Cell::Text(value.to_string()),
            }
        }
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
    }
}

/// A number as one, or as its text where the database's numbers are too small for it.
fn number_cell(text: &str) -> Cell {
    if let Ok(number) = text.parse() {
        return Cell::Integer(number);
    }
    let is_whole = !text.contains(['.', 'e', 'E']);
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let is_zero = mantissa.bytes().all(|b| !(b'1'..=b'9').contains(&b));
    match text.parse::<f64>() {
        Ok(number) if !is_whole && number.is_finite() && (is_zero || number != 0.0) => {
            Cell::Real(number)
        }
        _ => Cell::Text(text.to_owned()),
    }
}

/// Whether it is a number that is written as a text.
fn is_number_as_text(value: &Value) -> bool {
    value.is_number() && matches!(to_cell(value), Cell::Text(_))
}

/// Gives what has the name of another column in another case a column of its own: a table's names are the same in any
/// case, and the second one would be lost.
fn tell_apart(row: &mut Map<String, Value>) -> Vec<String> {
    let dialect = Dialect::of(Format::Sqlite);
    let known: BTreeSet<String> = dialect
        .rules
        .iter()
        .filter_map(|rule| dialect.key(rule, row).map(ToOwned::to_owned))
        .collect();
    let mut keys: Vec<String> = row.keys().cloned().collect();
    // Of equals the first one stays; what says something of the task stands before the rest.
    keys.sort_by_key(|key| !known.contains(key));
    let mut seen = BTreeSet::new();
    let hidden: Vec<String> =
        keys.into_iter().filter(|key| !seen.insert(key.to_ascii_lowercase())).collect();
    let aside = hidden.iter().filter_map(|key| row.remove_entry(key)).collect();
    put_aside(row, aside);
    hidden
}

pub(crate) fn write(
    tasks: Vec<Shaped>,
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    let ids: Vec<String> = tasks.iter().map(|task| task.id.to_string()).collect();
    let (mut rows, mut remarks) = part(tasks);
    remarks.extend(remarks_on_meta(Format::Sqlite, meta));
    for (id, row) in ids.into_iter().zip(&mut rows) {
        let remark = |field: String, why: String| Remark { task: Some(id.clone()), field, why };
        remarks.extend(tell_apart(row).into_iter().map(|key| {
            let why = format!(
                "another field has this name in another case, so it stands in the column `{ASIDE}`"
            );
            remark(key, why)
        }));
        let odd = row.iter().filter(|(_, value)| is_number_as_text(value));
        remarks.extend(odd.map(|(key, _)| {
            remark(key.clone(), "a number that a database has no like of, so it is a text".into())
        }));
    }
    let columns = columns(&rows, meta);
    let draft = Draft::begin(path)?;
    let unwritable =
        |e: rusqlite::Error| Error::Unwritable { path: path.to_owned(), why: e.to_string() };
    write_database(draft.path(), &columns, &rows).map_err(unwritable)?;
    draft.finish()?;
    Ok(remarks)
}

/// The columns of the table to be written, with their types: those it had, those that are known, and whatever else the
/// tasks have.
fn columns(rows: &[Map<String, Value>], meta: &[(TaskId, Json)]) -> Vec<(String, String)> {
    let rest = remembered(Format::Sqlite, meta).unwrap_or_default();
    let had = rest.get("columns").and_then(Value::as_array).into_iter().flatten();
    let had = had.filter_map(|pair| serde_json::from_value::<(String, String)>(pair.clone()).ok());
    let had: Vec<(String, String)> = had.collect();
    let is_new = had.is_empty();
    let known = Dialect::of(Format::Sqlite).rules.iter().filter(|_| is_new);
    let known = known.map(|rule| {
        let numeric = rule.role == Role::Priority;
        (rule.name().to_owned(), if numeric { "INTEGER" } else { "TEXT" }.to_owned())
    });
    let keys: BTreeSet<&String> = rows.iter().flat_map(Map::keys).collect();
    let more = keys.into_iter().map(|key| (key.clone(), String::new()));
    // Names of columns are the same in any case.
    let mut seen = BTreeSet::new();
    had.into_iter()
        .chain(known)
        .chain(more)
        .filter(|(name, _)| seen.insert(name.to_ascii_lowercase()))
        .collect()
}

fn write_database(
    path: &Path,
    columns: &[(String, String)],
    rows: &[Map<String, Value>],
) -> Result<(), rusqlite::Error> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    // Of two tasks that had one id there, both have it again.
    let is_key = |name: &str| {
        let mut ids = BTreeSet::new();
        let own = |row: &Map<String, Value>| {
            in_column(row, name).is_some_and(|id| ids.insert(id.to_string()))
        };
        is_id_name(name) && rows.iter().all(own)
    };
    let id = columns.iter().find(|(name, _)| is_key(name));
    let declared: Vec<String> = columns
        .iter()
        .map(|(name, declared)| {
            let is_id = id.is_some_and(|(id, _)| id == name);
            let whole = |row: &Map<String, Value>| in_column(row, name).is_some_and(Value::is_i64);
            // Only whole numbers can be keys of that type, and tasks that were added since have others.
            let declared = match declared.as_str() {
                key if is_id && key.eq_ignore_ascii_case("INTEGER") && !rows.iter().all(whole) => {
                    ""
                }
                // Whatever has a number's type is made one, also what is a text for being too large.
                _ if rows.iter().filter_map(|row| in_column(row, name)).any(is_number_as_text) => {
                    ""
                }
                // A type comes from another database: only what is plainly one is taken.
                plain
                    if plain.bytes().all(|b| b.is_ascii_alphanumeric() || b" (),".contains(&b)) =>
                {
                    plain
                }
                _ => "",
            };
            format!("{} {declared}{}", quoted(name), if is_id { " PRIMARY KEY" } else { "" })
        })
        .collect();
    transaction.execute_batch(&format!("CREATE TABLE tasks ({})", declared.join(", ")))?;
    let names: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO tasks ({}) VALUES ({places})", names.join(", "));
    {
        let mut insert = transaction.prepare(&insert)?;
        for row in rows {
            let cell =
                |(name, _): &(String, String)| in_column(row, name).map_or(Cell::Null, to_cell);
            let cells = columns.iter().map(|column| ToSqlOutput::Owned(cell(column)));
            insert.execute(rusqlite::params_from_iter(cells))?;
        }
    }
    transaction.commit()?;
    connection.close().map_err(|(_, e)| e)
}
