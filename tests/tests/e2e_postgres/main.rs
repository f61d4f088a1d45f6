//! What taskhost promises of every board, shown through real processes on boards in PostgreSQL: the same tests as those
//! of `e2e`, but for those about files and those that need no board; and a few that are about the server alone.
//!
//! That they are about PostgreSQL is decided by this program's name (`taskhost_tests::Kept`).

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

#[path = "../e2e/changing.rs"]
mod changing;
#[path = "../e2e/claims.rs"]
mod claims;
#[path = "../e2e/config.rs"]
mod config;
#[path = "../e2e/context.rs"]
mod context;
#[path = "../e2e/crashes.rs"]
mod crashes;
#[path = "../e2e/death.rs"]
mod death;
#[path = "../e2e/embedding.rs"]
mod embedding;
#[path = "../e2e/foreign.rs"]
mod foreign;
#[path = "../e2e/hazards.rs"]
mod hazards;
#[path = "../e2e/interface.rs"]
mod interface;
#[path = "../e2e/locks.rs"]
mod locks;
#[path = "../e2e/meta.rs"]
mod meta;
#[path = "../e2e/metrics.rs"]
mod metrics;
#[path = "../e2e/moving.rs"]
mod moving;
#[path = "../e2e/names.rs"]
mod names;
#[path = "../e2e_postgres/one_connection.rs"]
mod one_connection;
#[path = "../e2e_postgres/outages.rs"]
mod outages;
#[path = "../e2e/page.rs"]
mod page;
#[path = "../e2e/policies.rs"]
mod policies;
#[path = "../e2e/recordings.rs"]
mod recordings;
#[path = "../e2e/regressions.rs"]
mod regressions;
#[path = "../e2e/replays.rs"]
mod replays;
#[path = "../e2e/run.rs"]
mod run;
#[path = "../e2e/seeing.rs"]
mod seeing;
#[path = "../e2e/sessions.rs"]
mod sessions;
#[path = "../e2e/waiting.rs"]
mod waiting;
#[path = "../e2e/watching.rs"]
mod watching;
