//! How long the history is kept: the oldest retired journals go once there is more than the board's settings keep.
//!
//! Invariants: the current journal is never touched; journals go oldest first, each durably gone before the next
//! one goes, so that after a crash the history still is one piece that ends now.

use std::collections::BTreeMap;
use std::io;

use taskhost_board::image::ImageView;
use taskhost_board::{BeginError, Generation, Millis, ReadError, Retention, View as _};

use crate::disk::{DiskFile, How, remove_if_there};
use crate::format::{line, names};
use crate::state::{Inner, failed};

/// How many bytes are read at the end of a journal to find its last line, at first.
const LAST_LINE_BYTES: u64 = 64 * 1024;

/// When a journal's last entry was made.
enum Last {
    /// It has no entry.
    Nothing,
    At(Millis),
    /// Its last line can't be read.
    Unknown,
}

impl Inner {
    /// Removes what the board's settings don't keep; says how many journals went. Two at once do no harm: a journal that
    /// is gone already is gone.
    pub(crate) fn trim_history(&self) -> Result<u64, BeginError> {
        // The index alone may lack what somebody has just set.
        let (current, reading, _) = self.snapshot(self.wait_max())?;
        current.expect_here()?;
        let kept = ImageView::new(reading).settings()?.history;
        Ok(self.trim(current.generation, &kept)?)
    }

    fn trim(&self, current: Generation, kept: &Retention) -> Result<u64, ReadError> {
        if *kept == Retention::default() {
            return Ok(0);
        }
        let now = self.platform.now().wall;
        let mut volumes = Vec::new();
        for name in self.trimmable(current)? {
            match self.disk.open(&name, How::Read) {
                Ok(file) => volumes.push((file.len().map_err(failed(&name))?, name, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&name)(error)),
            }
        }
        let mut total: u64 = volumes.iter().map(|(bytes, ..)| bytes).sum();
        let mut removed = 0;
        for (bytes, name, file) in volumes {
            let is_too_much = kept.bytes.is_some_and(|most| total > most);
            let is_too_old = match (kept.age_ms, last_entry(&*file).map_err(failed(&name))?) {
                (Some(age), Last::At(time)) => time.plus(age) < now,
                // Nothing is lost with it, and it must not stand in the way of those after it.
                (Some(_), Last::Nothing) => true,
                (Some(_), Last::Unknown) | (None, _) => false,
            };
            if !is_too_much && !is_too_old {
                break;
            }
            remove_if_there(&*self.disk, &name).map_err(failed(&name))?;
            self.disk.sync_dir(names::HISTORY).map_err(failed(names::HISTORY))?;
            total -= bytes;
            removed += 1;
        }
        Ok(removed)
    }

    /// The journals in the history, oldest first, up to one that could not be moved there yet.
    fn trimmable(&self, current: Generation) -> Result<Vec<String>, ReadError> {
        let journals = |directory: &str| -> Result<BTreeMap<Generation, String>, ReadError> {
            let names = self.list_if_there(directory)?;
            let of =
                |name: String| Some((names::generation_in(&name, "journal-", ".jsonl")?, name));
            Ok(names.into_iter().filter_map(of).collect())
        };
        let waiting = journals(".")?.into_keys().next().unwrap_or(current).min(current);
        let retired = journals(names::HISTORY)?.into_keys();
        Ok(retired.take_while(|of| *of < waiting).map(names::retired).collect())
    }
}

fn last_entry(file: &dyn DiskFile) -> io::Result<Last> {
    let length = file.len()?;
    let mut wanted = LAST_LINE_BYTES;
    loop {
        let start = length.saturating_sub(wanted);
        let tail = crate::disk::read_from(file, start)?;
        let Some(whole) = tail.strip_suffix(b"\n") else {
            return Ok(if tail.is_empty() { Last::Nothing } else { Last::Unknown });
        };
        match memchr::memrchr(b'\n', whole) {
            None if start > 0 => wanted = wanted.saturating_mul(4),
            before => {
                let last = &whole[before.map_or(0, |at| at + 1)..];
                return Ok(
                    line::decode(last).map_or(Last::Unknown, |line| Last::At(line.entry.time))
                );
            }
        }
    }
}
