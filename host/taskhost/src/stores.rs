//! Which store keeps the board of an address: the one place that knows all of them.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use taskhost_board::{Coming, Digest, InitPlan, Keeper};
use taskhost_store_file::{
    FileStore, OpenError as DirectoryError, OpenOptions as FileOptions, RepairOptions, Repaired,
};
use taskhost_store_postgres::{
    Address as PostgresPlace, OpenOptions as PostgresOptions, PostgresStore,
};

use crate::address::PostgresAddress;
use crate::spans::Parts;
use crate::{Address, ImportError, InitError, OpenError, OpenOptions, STANDARD_POLICY};

/// Opens the board.
pub(crate) fn open(address: &Address, options: &OpenOptions) -> Result<Arc<dyn Keeper>, OpenError> {
    match address {
        Address::Directory(path) => Ok(Arc::new(FileStore::open(path, for_files(options))?)),
        Address::Postgres(named) => {
            let (at, options) = for_postgres(named, options)?;
            let opened = PostgresStore::open(&at, &options);
            Ok(Arc::new(opened.map_err(|error| OpenError::of_postgres(error, address))?))
        }
    }
}

/// Makes a board.
pub(crate) fn init(
    address: &Address,
    plan: &InitPlan,
    options: &OpenOptions,
) -> Result<Arc<dyn Keeper>, InitError> {
    match address {
        Address::Directory(path) => Ok(Arc::new(FileStore::init(path, plan, for_files(options))?)),
        Address::Postgres(named) => {
            let (at, options) = for_postgres(named, options)?;
            let made = PostgresStore::init(&at, plan, &options);
            Ok(Arc::new(made.map_err(|error| InitError::of_postgres(error, address))?))
        }
    }
}

/// Makes a board of what another store has handed over; if it is `coming`, one that nobody works on yet.
pub(crate) fn import(
    address: &Address,
    lines: impl BufRead,
    coming: Option<&Coming>,
    options: &OpenOptions,
) -> Result<Arc<dyn Keeper>, ImportError> {
    match address {
        Address::Directory(path) => {
            let options = for_files(options);
            Ok(Arc::new(match coming {
                Some(coming) => FileStore::import_coming(path, lines, coming, options)?,
                None => FileStore::import(path, lines, options)?,
            }))
        }
        Address::Postgres(named) => {
            let (at, options) = for_postgres(named, options).map_err(InitError::from)?;
            let imported = match coming {
                Some(coming) => PostgresStore::import_coming(&at, lines, coming, &options),
                None => PostgresStore::import(&at, lines, &options),
            };
            Ok(Arc::new(imported.map_err(|error| ImportError::of_postgres(error, address))?))
        }
    }
}

/// The address as others are told it, who are elsewhere and mustn't know a password that is in it.
pub(crate) fn told(address: &Address) -> Result<String, OpenError> {
    match address {
        Address::Directory(path) => {
            let error = |error| DirectoryError::Io { path: path.clone(), error };
            let path = std::path::absolute(path).map_err(error).map_err(OpenError::Directory)?;
            Ok(path.display().to_string())
        }
        Address::Postgres(named) => Ok(PostgresPlace::parse(named.as_str())?.to_string()),
    }
}

/// Whether two addresses are known to be one place.
pub(crate) fn are_same(one: &Address, other: &Address) -> bool {
    let real = |address: &Address| address.directory().and_then(|path| path.canonicalize().ok());
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// Repairs a board that may be past opening.
pub(crate) fn repair(
    address: &Address,
    lossy: bool,
    options: &OpenOptions,
) -> Result<Repaired, OpenError> {
    match address {
        Address::Directory(path) => {
            let components =
                BTreeMap::from([(Digest::of(STANDARD_POLICY), STANDARD_POLICY.to_vec())]);
            let options = RepairOptions { open: for_files(options), lossy, components };
            Ok(FileStore::repair(path, options)?)
        }
        Address::Postgres(_) => Err(unsupported(
            address,
            "a board in PostgreSQL is repaired by PostgreSQL's own means, if at all: restore the database from a \
             backup, or make another board of what `taskhost export` wrote",
        )),
    }
}

fn for_postgres(
    named: &PostgresAddress,
    options: &OpenOptions,
) -> Result<(PostgresPlace, PostgresOptions), OpenError> {
    let at = PostgresPlace::parse(named.as_str())?;
    let options = PostgresOptions {
        lock_wait: options.timeout,
        is_process_dead: Arc::new(taskhost_store_file::has_ended_here),
        component_cache: taskhost_policy::default_cache_dir().map(|cache| cache.join("components")),
        inherited: options.inherited.clone(),
        this_process: Arc::new(|| taskhost_store_file::process(std::process::id()).ok()),
        measured: Some(Arc::new(Parts)),
        ..PostgresOptions::default()
    };
    Ok((at, options))
}

fn unsupported(address: &Address, why: &'static str) -> OpenError {
    OpenError::Unsupported { board: address.clone(), why }
}

fn for_files(options: &OpenOptions) -> FileOptions {
    let mut files = FileOptions { lock_wait: options.timeout, ..FileOptions::default() };
    files.allow_unsafe_fs = options.allow_unsafe_file_system;
    files.progress.clone_from(&options.progress);
    files.inherited.clone_from(&options.inherited);
    files.measured = Some(Arc::new(Parts));
    files
}
