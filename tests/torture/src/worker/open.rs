//! Opens the board and reads how it stands, and says how long that took.

use std::time::Instant;

use anyhow::Result;

use super::{Common, say};

pub(super) fn play(common: &Common) -> Result<()> {
    let began = Instant::now();
    let board = common.open()?;
    let head = board.head()?;
    say(&format!("opened {} {}", began.elapsed().as_nanos(), head.sequence))
}
