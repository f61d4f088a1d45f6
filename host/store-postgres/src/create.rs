//! Making a board in a database, and opening one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{BeginError, Digest, InitPlan, ReadError};

use crate::address::Address;
use crate::link::{Call, Link, LinkError};
use crate::migrate::{MigrateError, Tables};
use crate::options::OpenOptions;
use crate::powers;
use crate::shared::{Shared, no_connection};
use crate::sql;
use crate::store::PostgresStore;

/// A board can't be opened, or made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Its tables aren't there, or of another version.
    #[error(transparent)]
    Tables(#[from] MigrateError),
    /// It can't be read.
    #[error(transparent)]
    Begin(#[from] BeginError),
}

impl From<LinkError> for OpenError {
    fn from(error: LinkError) -> Self {
        Self::Tables(error.into())
    }
}

/// How long it is waited for those who use a board whose tables are to be changed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sees to it that there is a board of this version.
pub(crate) fn check(shared: &Shared) -> Result<(), OpenError> {
    let deadline = Deadline::now() + shared.lock_wait;
    let mut link =
        shared.pool.get(deadline).map_err(|error| BeginError::Read(no_connection(&error)))?;
    let tables = Tables::new(&shared.address);
    let no_board = || MigrateError::NoBoard { board: shared.address.board().to_owned() };
    match tables.version(&mut link)? {
        None => return Err(no_board().into()),
        Some(found) if found > tables.known() => {
            return Err(MigrateError::Newer { found, known: tables.known() }.into());
        }
        Some(found) if found < tables.known() => {
            tables.upgrade(&mut link, Deadline::now() + PATIENCE)?;
        }
        Some(_) => {}
    }
    // Whoever made the tables may have been cut off before there was a board in them.
    let rows = link.pipeline(&[Call::of(sql::BOARD_ID, Vec::new())])?;
    if rows.first().is_some_and(|rows| !rows.is_empty()) { Ok(()) } else { Err(no_board().into()) }
}

/// A name for a board that no other one has.
fn board_id() -> String {
    format!("{:016x}{:016x}", crate::random(), crate::random())
}

impl PostgresStore {
    /// Makes a board at `address`, or completes one whose making was cut short.
    pub fn init(
        address: &Address,
        plan: &InitPlan,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        let deadline = Deadline::now() + PATIENCE;
        let mut link = make_tables(address, deadline)?;
        let text = |value: Result<String, serde_json::Error>| {
            value.map_err(|e| BeginError::Read(ReadError::Failed(e.to_string())))
        };
        let policies = text(serde_json::to_string(&plan.policies))?;
        let settings = text(serde_json::to_string(&plan.settings))?;
        let (id, components) = (board_id(), component_rows(&plan.components));
        let mut calls = vec![
            Call::of(sql::BEGIN, Vec::new()),
            Call::of(sql::NEW_BOARD, vec![&id, &policies, &settings]),
        ];
        calls.extend(
            components
                .iter()
                .map(|(digest, content)| Call::of(sql::PUT_COMPONENT, vec![digest, content])),
        );
        calls.push(Call::of(sql::COMMIT, Vec::new()));
        match link.pipeline(&calls) {
            Ok(_) => {
                let store = Self::open(address, options)?;
                // Cut off before this, it is done when a board with such files is asked for once more.
                if plan.settings.shared_files.is_some() {
                    powers::make_shared_files(&store.shared, deadline).map_err(BeginError::Read)?;
                }
                Ok(store)
            }
            Err(LinkError::Unique { .. }) => {
                Err(MigrateError::Exists { board: address.board().to_owned() }.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tables of a board that has no row yet.
pub(crate) fn make_tables(address: &Address, deadline: Deadline) -> Result<Link, OpenError> {
    let mut link = tables(address, deadline)?;
    let rows = link.pipeline(&[Call::of(sql::BOARD_ID, Vec::new())])?;
    if rows.first().is_some_and(|rows| !rows.is_empty()) {
        return Err(MigrateError::Exists { board: address.board().to_owned() }.into());
    }
    Ok(link)
}

/// A board's tables, whatever is in them.
pub(crate) fn tables(address: &Address, deadline: Deadline) -> Result<Link, OpenError> {
    let mut link = Link::connect(address, deadline)?;
    let tables = Tables::new(address);
    match tables.create(&mut link, deadline) {
        Ok(()) => Ok(link),
        // Whoever made them may have been cut off before there was a board in them, and may have been an older version.
        Err(MigrateError::Exists { .. }) => {
            tables.upgrade(&mut link, deadline)?;
            Ok(link)
        }
        Err(error) => Err(error.into()),
    }
}

fn component_rows(components: &BTreeMap<Digest, Vec<u8>>) -> Vec<(String, &Vec<u8>)> {
    components.iter().map(|(digest, content)| (digest.to_string(), content)).collect()
}
