//! Keeping the history in one piece that ends where the present begins.

use std::collections::BTreeMap;

use taskhost_board::{Generation, ReadError, Sequence};

use super::Repaired;
use crate::disk::How;
use crate::format::snapshot::Past;
use crate::format::{Checksum, line, names};
use crate::journal::Lines;
use crate::past::Tie;
use crate::state::{Inner, failed};

impl Inner {
    /// Sets aside the retired journals that don't continue into the generation that starts after `base`: the newest
    /// one that is damaged, or before which some are missing, and all before it. What is older would otherwise look
    /// as if nothing had happened in between.
    pub(super) fn keep_in_one_piece(
        &self,
        current: Generation,
        base: Sequence,
        aside: &str,
        report: &mut Repaired,
    ) -> Result<(), ReadError> {
        // Without its header, nothing says which journals are this board's.
        let past = self.read_past(current).unwrap_or_default();
        let mut need = base.next();
        let mut broken: Option<String> = None;
        for name in self.retired_journals(current)?.into_iter().rev() {
            let read = match &broken {
                None => match self.untied(&name, &past)? {
                    Some(why) => Err(why),
                    None => self.reaches(&name, need)?,
                },
                Some(why) => Err(why.clone()),
            };
            match read {
                Ok(first) => need = first.unwrap_or(need),
                Err(why) => {
                    self.move_aside(&name, aside, report)?;
                    let begins = need;
                    report.done.push(format!(
                        "`{name}` was set aside ({why}): the history begins with entry {begins} now"
                    ));
                    broken = Some("what follows it was set aside".into());
                }
            }
        }
        Ok(())
    }

    /// The journals before the current one, oldest first.
    pub(super) fn retired_journals(&self, current: Generation) -> Result<Vec<String>, ReadError> {
        let mut old: BTreeMap<Generation, String> = BTreeMap::new();
        for (directory, prefix) in [(".", ""), (names::HISTORY, "history/")] {
            for name in self.regular_files(directory)? {
                if let Some(of) = names::generation_in(&name, "journal-", ".jsonl")
                    && of < current
                {
                    old.insert(of, format!("{prefix}{name}"));
                }
            }
        }
        Ok(old.into_values().collect())
    }

    /// Why a journal isn't the one that the current header says was this board's, if it isn't. What can't be read is
    /// up to [`Inner::reaches`].
    fn untied(&self, name: &str, past: &[Past]) -> Result<Option<String>, ReadError> {
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let Some(of) = names::generation_in(last, "journal-", ".jsonl") else { return Ok(None) };
        let file = self.disk.open(name, How::Read).map_err(failed(name))?;
        let (mut lines, mut tie) = (Lines::new(&*file, name, 0), Tie::new(past, of));
        while let Some(raw) = lines.next_line()? {
            let Ok(line) = line::decode(&raw.bytes) else { return Ok(None) };
            if let Err(why) = tie.take(&line) {
                return Ok(Some(why));
            }
        }
        Ok(tie.end().err())
    }

    /// The first entry of a journal all of whose lines up to the one before `need` can be read; `None` if it has no
    /// entry. An error says why it doesn't reach that far.
    fn reaches(
        &self,
        name: &str,
        need: Sequence,
    ) -> Result<Result<Option<Sequence>, String>, ReadError> {
        let file = self.disk.open(name, How::Read).map_err(failed(name))?;
        let mut lines = Lines::new(&*file, name, 0);
        let mut range: Option<(Sequence, Sequence)> = None;
        let mut chain: Option<Checksum> = None;
        let mut number = 0;
        while let Some(raw) = lines.next_line()? {
            number += 1;
            let line = match line::decode(&raw.bytes) {
                Ok(line) => line,
                Err(why) => return Ok(Err(format!("line {number}: {why}"))),
            };
            let sequence = line.place.sequence;
            if range.is_none() && sequence > need {
                return Ok(Err(format!("it begins with entry {sequence}")));
            }
            if let Some((_, last)) = range
                && last.next() != sequence
            {
                return Ok(Err(format!("entry {sequence} follows entry {last}")));
            }
            if chain.is_some_and(|chain| chain != line.place.prev) {
                return Ok(Err(format!("line {number} doesn't continue the one before it")));
            }
            if sequence >= need {
                // The next journal has it too.
                return Ok(Ok(range.map(|(first, _)| first)));
            }
            range = Some(range.map_or((sequence, sequence), |(first, _)| (first, sequence)));
            chain = Some(line.sum);
        }
        Ok(match range {
            None => Ok(None),
            Some((first, last)) if last.next() == need => Ok(Some(first)),
            Some((_, last)) => {
                Err(format!("it ends with entry {last}, and what follows begins with {need}"))
            }
        })
    }
}
