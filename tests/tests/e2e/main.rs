//! What taskhost promises, shown through real processes on real files.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod addresses;
mod authoring;
mod budget;
mod building;
mod changing;
mod checks;
mod claims;
mod config;
mod context;
mod crashes;
mod damage;
mod death;
mod embedding;
mod foreign;
mod hazards;
mod in_files;
mod interface;
mod locks;
mod meta;
mod metrics;
mod mistakes;
mod moving;
mod names;
mod page;
mod planted;
mod policies;
mod recordings;
mod regressions;
mod repair;
mod replays;
mod run;
mod scale;
mod seeing;
mod sessions;
mod spans;
mod terminal;
mod trials;
mod upkeep;
mod users;
mod waiting;
mod watching;
