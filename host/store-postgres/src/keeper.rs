//! What is done with a whole board in PostgreSQL beside its transactions.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::transfer::TransferLine;
use taskhost_board::{
    BeginError, Compaction, DiskUse, ExportError, HandLock, Keeper, Measured, ReadError, Report,
    Retention, Severity, Still, SwitchError, TaskId, Vital,
};

use crate::begin;
use crate::link::{Call, LinkError, Row};
use crate::powers::{self, SessionLock};
use crate::rows::{bigint, number};
use crate::shared::read_error;
use crate::sql;
use crate::store::PostgresStore;

/// How often what isn't kept any more is removed.
const TRIM_EVERY: Duration = Duration::from_secs(60 * 60);
/// One look in so many asks whether others have done that, however short a time the handle has been open.
const ASK_ONE_OF: u64 = 16;
/// How many request keys are removed at a time.
const KEYS_AT_ONCE: i64 = 10_000;

/// A lock by hand: an advisory lock of a connection of this process. It ends when this is dropped; if this process is killed
/// before, it lasts as long as what it was passed on to, which has a copy of the connection's descriptor.
struct Hand {
    lock: SessionLock,
    marker: String,
}

impl HandLock for Hand {
    fn marker(&self) -> String {
        self.marker.clone()
    }

    fn pass_on(&self, command: &mut Command) -> io::Result<()> {
        self.lock.outlive_this_process()?;
        command.env(taskhost_board::LOCKS_VARIABLE, &self.marker);
        Ok(())
    }

    fn is_held(&self) -> bool {
        self.lock.is_held()
    }
}

fn unnamed(error: LinkError) -> BeginError {
    BeginError::Read(read_error(&error))
}

impl PostgresStore {
    fn rows(&self, call: Call<'_>) -> Result<Vec<Row>, ReadError> {
        let deadline = Deadline::now() + self.shared.lock_wait;
        Ok(self.shared.ask(&[call], deadline)?.pop().unwrap_or_default())
    }

    fn is_dead(&self, holder: &Vital) -> Result<bool, BeginError> {
        let mut tx = begin::look(&self.shared, Deadline::now() + self.shared.lock_wait)?;
        Ok(!tx.dead(std::slice::from_ref(holder), false)?.is_empty())
    }

    /// Removes what is kept no longer: of the history, and request keys.
    fn trim(&self) -> Result<u64, BeginError> {
        self.expect_here()?;
        let tx = begin::look(&self.shared, Deadline::now() + self.shared.lock_wait)?;
        let settings = tx.outset.basis.settings.clone();
        let now = tx.outset.now.wall.0;
        drop(tx);
        self.forget_keys(now.saturating_sub(settings.keys_kept_ms()))?;
        let Retention { age_ms, bytes } = settings.history;
        if age_ms.is_none() && bytes.is_none() {
            return Ok(0);
        }
        let since = age_ms.map(|age| bigint(now.saturating_sub(age)));
        let bytes = bytes.map(bigint);
        let last = self.rows(Call::of(sql::LAST_NOT_KEPT, vec![&since, &bytes]))?;
        let Some(last) = last.first().and_then(|row| row.get::<_, Option<i64>>("last")) else {
            return Ok(0);
        };
        // First that it is removed, so that nobody takes it for numbers that nobody used.
        self.rows(Call::of(sql::NOTE_TRIMMED, vec![&last]))?;
        let gone = self.rows(Call::of(sql::TRIM, vec![&last]))?;
        Ok(gone.first().map(|row| number(row.get("n"))).unwrap_or_default())
    }

    /// Removes request keys that were used before `since`.
    fn forget_keys(&self, since: u64) -> Result<(), ReadError> {
        let since = bigint(since);
        loop {
            let gone = self.rows(Call::of(sql::FORGET_KEYS, vec![&since, &KEYS_AT_ONCE]))?;
            let gone: Option<i64> = gone.first().map(|row| row.get("n"));
            if gone.unwrap_or_default() < KEYS_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// What is wrong, as findings.
    fn examined(&self) -> Result<Report, BeginError> {
        let mut report = Report::default();
        for what in self.examine()? {
            let next = "nothing was changed: look who writes to these tables beside taskhost, and restore the board \
                        from what `taskhost export` wrote";
            report.add(Severity::Damage, "tables", what, next);
        }
        let rows = self.rows(Call::of(sql::SIZES, Vec::new()))?;
        if let Some(row) = rows.first() {
            report.tasks = Some(number(row.get("tasks")));
            report.entries = Some(number(row.get("entries")));
        }
        let commits: String = self
            .rows(Call::of(sql::FSYNC, Vec::new()))?
            .first()
            .map(|row| row.get(0))
            .unwrap_or_default();
        if commits == "off" {
            let next = "set `fsync` to `on` in the server's configuration and restart it";
            let what =
                "the server doesn't sync, so what it acknowledged may be lost with a power failure";
            report.add(Severity::Warning, "fsync", what, next);
        }
        Ok(report.sorted())
    }
}

impl Keeper for PostgresStore {
    fn id(&self) -> Result<String, ReadError> {
        let rows = self.rows(Call::of(sql::BOARD_ID, Vec::new()))?;
        let gone = || ReadError::Damaged("the board's own row is gone".into());
        rows.first().map(|row| row.get("id")).ok_or_else(gone)
    }

    fn is_dead(&self, holder: &Vital) -> bool {
        self.is_dead(holder).unwrap_or(false)
    }

    fn mended(&self) -> Vec<String> {
        Vec::new()
    }

    fn compaction_is_due(&self) -> bool {
        // Nobody knows without asking. Handles that are open for an instant only ask once in a while, all together often
        // enough.
        self.shared.trimmed_since() >= TRIM_EVERY || crate::random().is_multiple_of(ASK_ONE_OF)
    }

    fn compact(&self, _deadline: Deadline) -> Result<Compaction, SwitchError> {
        self.trim()?;
        Ok(Compaction::Needless(
            "a board in PostgreSQL has nothing to compact: the server keeps its tables small by itself (autovacuum); what \
             of the history isn't to be kept was removed",
        ))
    }

    fn compact_if_due(&self, _deadline: Deadline) -> Result<bool, SwitchError> {
        self.shared.note_trimmed();
        let every_ms = bigint(TRIM_EVERY.as_millis() as u64);
        let turn = self.rows(Call::of(sql::TAKE_TURN_TO_TIDY_UP, vec![&every_ms]));
        if turn.map_err(BeginError::Read)?.is_empty() {
            return Ok(false);
        }
        self.trim()?;
        Ok(true)
    }

    fn trim_history(&self) -> Result<u64, BeginError> {
        self.trim()
    }

    fn share_files(&self, _directory: &str) -> io::Result<()> {
        let deadline = Deadline::now() + self.shared.lock_wait;
        powers::make_shared_files(&self.shared, deadline).map_err(io::Error::other)
    }

    fn figures(&self) -> Result<Measured, ReadError> {
        self.shared.recorder.read(&self.shared)
    }

    fn leave_figures(&self) {
        self.shared.recorder.end(&self.shared);
    }

    fn disk_use(&self) -> Result<DiskUse, ReadError> {
        let rows = self.rows(Call::of(sql::DISK_USE, Vec::new()))?;
        let Some(row) = rows.first() else { return Ok(DiskUse::default()) };
        let parts = ["tasks", "journal", "policies", "contexts"];
        let parts = parts.map(|part| (part, number(row.get(part)))).to_vec();
        Ok(DiskUse { parts, total: number(row.get("total")) })
    }

    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        Self::export(self, each)
    }

    fn still(&self, deadline: Deadline) -> Result<Box<dyn Still + '_>, BeginError> {
        let still = self.stand_still(deadline)?;
        Ok(Box::new(still.told_as("somebody who moves the board elsewhere").map_err(unnamed)?))
    }

    fn doctor(&self) -> Report {
        self.examined().unwrap_or_else(|error| {
            let mut report = Report::default();
            let next = "the board can't be read as it is: see whether the server is well";
            report.add(Severity::Damage, "board", error, next);
            report
        })
    }

    fn hold_task(
        &self,
        id: &TaskId,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError> {
        self.expect_here()?;
        let lock = self.lock_task_by_hand(id, deadline)?;
        // Whoever had it meanwhile may have moved the board.
        self.expect_here()?;
        let lock = lock.by_hand(who).map_err(unnamed)?;
        let marker = self.shared.inherited.marker_with(&format!("task:{id}={}", lock.marker()));
        Ok(Box::new(Hand { lock, marker }))
    }

    fn hold_board(
        &self,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError> {
        self.expect_here()?;
        let lock = self.lock_board_by_hand(deadline)?;
        // Whoever had it meanwhile may have moved the board.
        self.expect_here()?;
        let lock = lock.by_hand(who).map_err(unnamed)?;
        let marker = self.shared.inherited.marker_with(&format!("board={}", lock.marker()));
        Ok(Box::new(Hand { lock, marker }))
    }
}
