//! Against a real server.

#![expect(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod alone;
mod claims;
mod desks;
mod figures;
mod forks;
mod homes;
mod keeping;
mod links;
mod migrations;
mod pools;
mod server;

use std::time::{Duration, Instant};

use crate::{Address, Call, Link};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn connect(address: &Address) -> Link {
    Link::connect(address, soon()).unwrap()
}

/// The only value of the only row.
fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(link: &mut Link, sql: &str) -> T {
    link.query(Call::new(sql, &[])).unwrap()[0].get(0)
}
