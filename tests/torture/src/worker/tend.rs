//! Keeps a board small while others work on it: archives what has ended, compacts, sets policies and examines.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use taskhost::domain::Error as InBoard;
use taskhost::{
    Action, Board, ChangeRequest, Error, ListQuery, PolicyChange, PolicyTarget, Severity, Status,
};

use super::{Common, say};
use crate::dice::Dice;
use crate::kills::said::Said;

/// How many tasks are archived at once.
const ARCHIVED_MAX: usize = 2000;
/// Others need the board too.
const PAUSE: Duration = Duration::from_millis(60);

pub(super) fn play(common: &Common) -> Result<()> {
    let board = common.open()?;
    let mut dice = Dice::new(common.seed ^ 1);
    loop {
        let (what, done) = match dice.below(12) {
            0 => ("compacted", board.compact().map(drop)),
            1 => ("set the policy", set_policy(&board, &mut dice)),
            2 => ("examined", Ok(())),
            3..6 => ("compacted if due", board.compact_if_due().map(drop)),
            _ => ("archived", archive(&board)),
        };
        let said = match done {
            // It grows again before the next one, and those who work add as much as they use up.
            Err(Error::Board(InBoard::Switch(_))) => Said::Tended { what: format!("not {what}") },
            Err(error) => Said::Wrong { what: format!("it could not be {what}: {error}") },
            Ok(()) if what == "examined" => examine(&board),
            Ok(()) => Said::Tended { what: what.into() },
        };
        say(&said.to_string())?;
        sleep(PAUSE);
    }
}

fn archive(board: &Board) -> Result<(), Error> {
    let statuses = vec![Status::Completed, Status::Failed];
    let ended = board.list(&ListQuery { statuses, limit: ARCHIVED_MAX, ..ListQuery::default() })?;
    if ended.tasks.is_empty() {
        return Ok(());
    }
    let ids = ended.tasks.into_iter().map(|task| task.id).collect();
    board.change(&ChangeRequest {
        ids,
        action: Action::Archive,
        by: None,
        together: true,
        dry_run: false,
    })?;
    Ok(())
}

/// The same policy with other settings: every process follows.
fn set_policy(board: &Board, dice: &mut Dice) -> Result<(), Error> {
    let retries = dice.below(3).to_string();
    board.set_policy(&PolicyChange {
        target: PolicyTarget::Current,
        settings: BTreeMap::from([("retries".to_owned(), retries)]),
        standard_settings: BTreeMap::new(),
        expect: None,
    })?;
    Ok(())
}

/// Others change the board meanwhile and its index is thrown away, so only damage counts.
fn examine(board: &Board) -> Said {
    let report = board.doctor();
    match report.findings.iter().find(|finding| finding.severity == Severity::Damage) {
        Some(damage) => Said::Wrong { what: format!("the doctor found damage: {damage}") },
        None => Said::Tended { what: "examined".into() },
    }
}
