//! The files of other systems.

use std::path::Path;

use pyo3::prelude::*;
use serde::Serialize;
use serde_json::Value;
use taskhost::formats::{self, Foreign, Format, Recognised, Remark};
use taskhost::wire::read_task;
use taskhost::{Archived, Board, Error, Imported, TaskId, reading};

use crate::error::{invalid, raised};
use crate::parse::{self, seconds};

#[derive(Serialize)]
struct Report {
    format: &'static str,
    added: Vec<String>,
    present: Vec<String>,
    remarks: Vec<Remarked>,
}

#[derive(Serialize)]
struct Remarked {
    task: Option<String>,
    field: String,
    why: String,
}

impl From<Remark> for Remarked {
    fn from(Remark { task, field, why }: Remark) -> Self {
        Self { task, field, why }
    }
}

pub fn import_file(
    py: Python<'_>,
    board: &Board,
    path: &Path,
    format: Option<&str>,
    lease: Option<f64>,
) -> PyResult<String> {
    let options = reading(board.now(), lease_ms(lease)?);
    let format = match format {
        Some(format) => named(format)?,
        None => match py.detach(|| formats::recognise(path)) {
            Ok(Recognised::Foreign(format)) => format,
            Ok(Recognised::Transfer) => {
                return Err(invalid(format!(
                    "`{}` is a whole board: `taskhost import` makes one of it",
                    path.display()
                )));
            }
            Err(error) => return Err(raised(py, &error.into())),
        },
    };
    let read = py.detach(|| formats::read(format, path, &options));
    let read = read.map_err(|error| raised(py, &error.into()))?;
    adopt(py, board, format, read, Archived::Stay)
}

pub fn import_tasks(
    py: Python<'_>,
    board: &Board,
    format: &str,
    tasks: &str,
    lease: Option<f64>,
) -> PyResult<String> {
    let (format, options) = (named(format)?, reading(board.now(), lease_ms(lease)?));
    let mut foreign = Foreign::default();
    for task in parse::read::<Vec<Value>>(tasks)? {
        let one = formats::read_one(format, &task, &options);
        let (arrival, remarks) = one.map_err(|error| raised(py, &error.into()))?;
        foreign.arrivals.push(arrival);
        foreign.remarks.extend(remarks);
    }
    adopt(py, board, format, foreign, Archived::ComeBack)
}

fn adopt(
    py: Python<'_>,
    board: &Board,
    format: Format,
    foreign: Foreign,
    archived: Archived,
) -> PyResult<String> {
    let imported = py.detach(|| board.adopt(foreign, archived));
    let Imported { added, present, claims: _, remarks } =
        imported.map_err(|error| raised(py, &error))?;
    let texts = |ids: Vec<TaskId>| ids.iter().map(ToString::to_string).collect();
    parse::write(&Report {
        format: format.as_str(),
        added: texts(added),
        present: texts(present),
        remarks: remarks.into_iter().map(Remarked::from).collect(),
    })
}

pub fn export_file(py: Python<'_>, board: &Board, path: &Path, format: &str) -> PyResult<String> {
    let format = named(format)?;
    let written = py.detach(|| board.write_foreign(format, path));
    let remarks = written.map_err(|error: Error| raised(py, &error))?;
    parse::write(&remarks.into_iter().map(Remarked::from).collect::<Vec<_>>())
}

/// A task, as the command line prints it, in another system's shape.
#[pyfunction]
pub fn shaped(format: &str, task: &str) -> PyResult<String> {
    let task = read_task(task).map_err(invalid)?;
    parse::write(&formats::shape(named(format)?, &task))
}

/// The id that a task of another system has on a board.
#[pyfunction]
pub fn board_id(original: &str) -> String {
    formats::board_id(original).to_string()
}

fn named(format: &str) -> PyResult<Format> {
    format.parse().map_err(invalid)
}

fn lease_ms(lease: Option<f64>) -> PyResult<Option<u64>> {
    let lease = lease.map(seconds).transpose()?;
    Ok(lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)))
}
