//! Writing a whole board down as a stream that any store can take in (`taskhost_board::transfer`).
//!
//! Invariant: everything in it is the board at one instant: one view of it, and the history up to the last entry of
//! that view. Others go on working meanwhile.

use std::collections::BTreeSet;
use std::io;

use taskhost_board::image::{self, ImageView};
use taskhost_board::transfer::{Content, Seal, TRANSFER, TransferHeader, TransferLine, Travel};
use taskhost_board::{
    ContextEntry, Contexts, Digest, ExportError, Millis, ReadError, Sequence, View as _,
};

use crate::index::SharedReading;
use crate::state::Inner;

/// A board that nobody would take in.
fn unfit(why: String) -> ExportError {
    ReadError::Damaged(format!("it can't be exported, because no import would take it: {why}"))
        .into()
}

impl Inner {
    /// Hands over every line, the last one of them the end.
    pub(crate) fn export(
        &self,
        contexts: &dyn Contexts,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let (current, reading, meta) = self.snapshot(self.wait_max())?;
        let reading = SharedReading::new(reading);
        let view = ImageView::new(reading.clone());
        let (head, policies) = (view.head()?, view.policies()?);
        let digests: BTreeSet<Digest> = policies.digests().collect();
        let header = TransferHeader {
            transfer: TRANSFER,
            board: current.board.clone(),
            sequence: head.sequence,
            token: head.token,
            born: head.born,
            policies,
            settings: view.settings()?,
        };
        let mut travel = Travel::begin(&header).map_err(unfit)?;
        let mut seal = Seal::default();
        let mut put = |line: TransferLine| -> Result<(), ExportError> {
            seal.add(&line.encode()?);
            Ok(each(line)?)
        };
        put(TransferLine::Header(Box::new(header.clone())))?;
        for digest in digests {
            let content = Content(self.component(digest)?);
            put(TransferLine::Component { digest, content })?;
        }
        let mut stopped = None;
        self.history_at(&current, &meta, Sequence(0), &mut |line| {
            let entry = TransferLine::Entry {
                sequence: line.place.sequence,
                policy: line.place.policy,
                entry: Box::new(line.entry),
            };
            let fits = travel.entry(line.place.sequence).map_err(unfit);
            stopped = fits.and_then(|()| put(entry)).err();
            stopped.is_none()
        })?;
        if let Some(error) = stopped {
            return Err(error);
        }
        // Request keys of any age: how long they are kept is up to whoever takes them in.
        image::dump(&reading, Millis(0), |record| {
            travel.record(&record, |id| Ok(view.task(id)?.is_some())).map_err(unfit)?;
            put(TransferLine::Record(Box::new(record)))
        })?;
        travel.end().map_err(unfit)?;
        // They aren't part of any transaction, so they are read last; what is removed meanwhile is left out.
        for owner in contexts.owners()? {
            for ContextEntry { key, .. } in contexts.list(&owner)? {
                if let Some(value) = contexts.get(&owner, &key)? {
                    let owner = owner.clone();
                    put(TransferLine::Context { owner, key, content: Content(value) })?;
                }
            }
        }
        let end = seal.end();
        Ok(each(end)?)
    }
}
