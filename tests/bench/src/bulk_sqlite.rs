//! SQLite takes in a file of tasks, as `taskhost add --from` does.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::contender::{connect, insert_with, schema};

/// Make a database of the tasks in a file.
#[derive(Args)]
pub struct Arguments {
    /// How many rows are committed together; all of them unless said otherwise.
    #[arg(long)]
    batch: Option<usize>,
    /// A task per line.
    file: PathBuf,
    /// The database.
    database: PathBuf,
}

/// A line of the file.
#[derive(Deserialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut connection = connect(&arguments.database)?;
    schema(&connection)?;
    let mut lines = BufReader::new(File::open(&arguments.file)?).lines();
    let mut born = 0;
    loop {
        let batch = lines.by_ref().take(arguments.batch.unwrap_or(usize::MAX));
        let tasks = batch.map(|line| {
            let line = line?;
            let task: Line<'_> = serde_json::from_str(&line).context("a line isn't a task")?;
            Ok((task.id.to_owned(), task.data.get().to_owned()))
        });
        let added = insert_with(&mut connection, born, tasks)?;
        if added == 0 {
            return Ok(());
        }
        born += added;
    }
}
