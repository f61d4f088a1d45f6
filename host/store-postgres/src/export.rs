//! Writing a whole board down as a stream that any store can take in (`taskhost_board::transfer`).
//!
//! Invariant: everything in it is the board at one instant, at which no transaction was open: one snapshot holds all of it,
//! large values too, and a number that has no entry in it was given to nobody and never will be. Others wait while that
//! snapshot is taken, and go on working while it is read.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant as Deadline;

use taskhost_board::transfer::{
    Content, Inspection, Seal, TRANSFER, TransferError, TransferHeader, TransferLine,
};
use taskhost_board::{BeginError, Digest, Entry, ExportError, Millis, ReadError, Sequence, Token};

use crate::begin;
use crate::contexts::owner_of;
use crate::dump::dump;
use crate::history::{Line, line};
use crate::link::Call;
use crate::rows::{bigint, number};
use crate::shared::Shared;
use crate::sql;
use crate::store::PostgresStore;
use crate::tx::Tx;
use crate::view::task_id;

/// How many entries are read at a time.
const PAGE: i64 = 1_000;

/// How long it is waited for whoever takes the lines in. Meanwhile no vacuum removes what this moment still sees.
const PATIENCE: &str = "1h";

/// Takes in a line.
type Each<'a> = dyn FnMut(TransferLine) -> io::Result<()> + 'a;

/// A board that nobody would take in.
fn unfit(error: TransferError) -> ExportError {
    let why = error.why;
    ReadError::Damaged(format!("it can't be exported, because no import would take it: {why}"))
        .into()
}

impl PostgresStore {
    /// Hands over the whole board as it is at one instant, line by line, for another store to take in. Others go on working
    /// meanwhile; stops at the first error of `each`.
    pub fn export(&self, each: &mut Each<'_>) -> Result<(), ExportError> {
        let deadline = Deadline::now() + self.shared.lock_wait;
        let still = self.stand_still(deadline)?;
        let moment = Moment::of_a_still_board(&self.shared, deadline)?;
        drop(still);
        moment.write_down(each)
    }
}

/// A board at an instant at which no transaction was open.
pub(crate) struct Moment {
    tx: Tx,
    header: TransferHeader,
    /// Up to which entry the history was removed.
    trimmed: i64,
}

impl Moment {
    /// Now, where the caller sees to it that nobody changes the board.
    pub(crate) fn of_a_still_board(
        shared: &Arc<Shared>,
        deadline: Deadline,
    ) -> Result<Self, BeginError> {
        let mut tx = begin::look(shared, deadline)?;
        tx.rows(Call::of(sql::IDLE_TIMEOUT, vec![&PATIENCE]))?;
        let rows = tx.rows(Call::of(sql::WHOLE_HEAD, Vec::new()))?;
        let Some(row) = rows.first() else {
            return Err(ReadError::Damaged("the board's own row is gone".into()).into());
        };
        let header = TransferHeader {
            transfer: TRANSFER,
            board: row.get("id"),
            sequence: Sequence(number(row.get("sequence"))),
            token: Token(number(row.get("token"))),
            born: number(row.get("born")),
            policies: tx.outset.basis.policies.clone(),
            settings: tx.outset.basis.settings.clone(),
        };
        Ok(Self { trimmed: row.get("trimmed"), header, tx })
    }

    /// Hands over every line, the last one of them the end.
    pub(crate) fn write_down(mut self, each: &mut Each<'_>) -> Result<(), ExportError> {
        let header = self.header.clone();
        let mut out = Out::begin(&header, each)?;
        for digest in header.policies.digests().collect::<BTreeSet<Digest>>() {
            let content = self.component(digest)?;
            out.put(TransferLine::Component { digest, content })?;
        }
        self.history(&mut out)?;
        let mut stopped = None;
        // Request keys of any age: how long they are kept is up to whoever takes them in.
        dump(&mut self.tx, Millis(0), &mut |record| {
            stopped = out.put(TransferLine::Record(Box::new(record))).err();
            stopped.is_none()
        })?;
        stopped.map_or(Ok(()), Err)?;
        self.contexts(&mut out)?;
        out.end()
    }

    fn component(&mut self, digest: Digest) -> Result<Content, ReadError> {
        let rows = self.tx.rows(Call::of(sql::COMPONENT, vec![&digest.to_string()]))?;
        let missing =
            || ReadError::Damaged(format!("the board has no policy `{}`", digest.short()));
        Ok(Content(rows.first().ok_or_else(missing)?.get("content")))
    }

    /// Every number has an entry in it: one that was given to nobody has one that changes nothing, at the time of the next.
    fn history(&mut self, out: &mut Out<'_, '_>) -> Result<(), ExportError> {
        let mut read = self.trimmed;
        let (mut written, mut time) = (read, Millis(0));
        loop {
            let rows = self.tx.rows(Call::of(sql::ENTRIES_PAST, vec![&read, &PAGE]))?;
            for row in &rows {
                let found = line(row)?;
                read = bigint(found.sequence.0);
                let Some(entry) = found.entry else { continue };
                time = entry.time;
                out.unused(written + 1..read, time)?;
                written = read;
                out.entry(found.sequence, found.policy, entry)?;
            }
            if rows.is_empty() {
                return out.unused(written + 1..read + 1, time);
            }
        }
    }

    fn contexts(&mut self, out: &mut Out<'_, '_>) -> Result<(), ExportError> {
        for row in self.tx.rows(Call::of(sql::CONTEXT_OWNERS, Vec::new()))? {
            let (kind, name): (String, String) = (row.get("kind"), row.get("owner"));
            let owner = owner_of(&kind, name.clone())?;
            for row in self.tx.rows(Call::of(sql::CONTEXTS_OF, vec![&kind, &name]))? {
                let key: String = row.get("key");
                let call = Call::of(sql::CONTEXT, vec![&kind, &name, &key]);
                for value in self.tx.rows(call)? {
                    let (owner, content) = (owner.clone(), Content(value.get("value")));
                    let key = task_id(key.clone())?;
                    out.put(TransferLine::Context { owner, key, content })?;
                }
            }
        }
        Ok(())
    }
}

/// Lines on their way out.
struct Out<'a, 'b> {
    inspection: Inspection<'a>,
    seal: Seal,
    /// The last line's number.
    number: u64,
    each: &'a mut Each<'b>,
}

impl<'a, 'b> Out<'a, 'b> {
    fn begin(header: &'a TransferHeader, each: &'a mut Each<'b>) -> Result<Self, ExportError> {
        let inspection = Inspection::begin(header).map_err(unfit)?;
        let mut out = Self { inspection, seal: Seal::default(), number: 1, each };
        out.hand_over(TransferLine::Header(Box::new(header.clone())))?;
        Ok(out)
    }

    fn put(&mut self, line: TransferLine) -> Result<(), ExportError> {
        self.number += 1;
        self.inspection.line(self.number, &line).map_err(unfit)?;
        self.hand_over(line)
    }

    fn entry(
        &mut self,
        sequence: Sequence,
        policy: String,
        entry: Entry,
    ) -> Result<(), ExportError> {
        self.put(TransferLine::Entry { sequence, policy, entry: Box::new(entry) })
    }

    fn unused(&mut self, numbers: Range<i64>, time: Millis) -> Result<(), ExportError> {
        for unused in numbers {
            let line = Line::unused(Sequence(number(unused)));
            let (sequence, policy) = (line.sequence, line.policy.clone());
            self.entry(sequence, policy, Entry { time, ..line.entry_or_nothing() })?;
        }
        Ok(())
    }

    fn hand_over(&mut self, line: TransferLine) -> Result<(), ExportError> {
        self.seal.add(&line.encode()?);
        Ok((self.each)(line)?)
    }

    fn end(self) -> Result<(), ExportError> {
        self.inspection.end().map_err(unfit)?;
        Ok((self.each)(self.seal.end())?)
    }
}
