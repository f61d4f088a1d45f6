//! Taking a whole board in from a stream (`taskhost_board::transfer`): a new board, at a place where there is none.
//!
//! 1. The tables are made, as for any new board. A crash leaves tables without a board, which the next import or `init`
//!    takes over.
//! 2. Everything is written in one transaction, and checked up to the stream's end. A crash, or an error, leaves nothing of
//!    it, not even of the sequences.
//! 3. It commits: from here on there is a board, whole and durable. If the connection breaks before the answer, the server is
//!    asked what became of the transaction.
//!
//! A board that is moved here isn't worked on before it has left where it was (`still`): its row says so. What an earlier try
//! of the same move has made is emptied in the same transaction.

use std::io::BufRead;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::image::Record;
use taskhost_board::transfer::{
    Inspection, TransferError, TransferHeader, TransferLine, TransferReader,
};
use taskhost_board::{Coming, Entry, Sequence};

use crate::address::Address;
use crate::contexts::words;
use crate::create::{OpenError, make_tables, tables};
use crate::keys::{Kind, key};
use crate::link::{Call, Link, LinkError, Param};
use crate::migrate::MigrateError;
use crate::options::OpenOptions;
use crate::rows::{ClassRows, Writes, bigint};
use crate::sql;
use crate::still::elsewhere;
use crate::store::PostgresStore;
use crate::view::space_word;

/// How long it is tried to find out what became of a transaction whose connection broke.
const FIND_OUT: Duration = Duration::from_secs(30);
/// How long between two tries.
const NAP: Duration = Duration::from_millis(50);
/// How long the server may take for one page.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long whoever hands it over may take for the next page.
const IDLE: &str = "10min";
/// How long the lock of a board that is there already is waited for, in milliseconds: whoever has it may have come from here.
const LOCK_MS: &str = "10000";
/// About how many bytes are gathered before they are sent.
const PAGE_BYTES: usize = 1 << 20;
/// What a row takes up besides what varies, about.
const ROW_BYTES: usize = 1 << 10;

/// A board was not imported; where it was to be, there is none, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is imported isn't a whole board.
    #[error(transparent)]
    Line(#[from] TransferError),
    /// It can't be made there.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nobody knows whether it was made.
    #[error(
        "whether the board was made is unknown, so look whether it is there before you try again: {0}"
    )]
    Unknown(String),
    /// It was made.
    #[error("the board was imported and is there, but it can't be opened just now: {0}")]
    Unopened(#[source] OpenError),
}

impl From<LinkError> for ImportError {
    fn from(error: LinkError) -> Self {
        Self::Open(error.into())
    }
}

impl PostgresStore {
    /// Makes a board at `address` of what [`PostgresStore::export`] or another store handed over, whole or not at all. It is
    /// the same board: its id, tokens, claims and history go on.
    pub fn import(
        address: &Address,
        lines: impl BufRead,
        options: &OpenOptions,
    ) -> Result<Self, ImportError> {
        Self::take_in(address, lines, None, options)
    }

    /// The same of a board that is about to come here: it is made as one that nobody works on before
    /// [`Still::say`](taskhost_board::Still::say) says that it is here. What an earlier try of the same has made is made anew.
    pub fn import_coming(
        address: &Address,
        lines: impl BufRead,
        coming: &Coming,
        options: &OpenOptions,
    ) -> Result<Self, ImportError> {
        Self::take_in(address, lines, Some(coming), options)
    }

    fn take_in(
        address: &Address,
        lines: impl BufRead,
        coming: Option<&Coming>,
        options: &OpenOptions,
    ) -> Result<Self, ImportError> {
        let mut lines = TransferReader::new(lines);
        let header = match lines.next().transpose()? {
            Some((_, TransferLine::Header(header))) => *header,
            _ => return Err(TransferError::at(1, "there is no header").into()),
        };
        // 1. Whoever has nothing to take in makes nothing.
        let deadline = Deadline::now() + PATIENCE;
        let link = match coming {
            Some(_) => tables(address, deadline)?,
            None => make_tables(address, deadline)?,
        };
        // 2. Everything.
        let mut intake = Intake::begin(link, address, &header, coming)?;
        for line in lines {
            let (number, line) = line?;
            intake.take(number, line)?;
        }
        // 3. From here on there is a board.
        intake.finish()?;
        Self::open(address, options).map_err(ImportError::Unopened)
    }
}

/// A board while it is taken in, in one transaction.
struct Intake<'a> {
    link: Link,
    address: &'a Address,
    /// The transaction's number.
    transaction: i64,
    header: &'a TransferHeader,
    inspection: Inspection<'a>,
    page: Page,
    /// The entry that the history begins with.
    first: Option<Sequence>,
}

/// What is sent next.
#[derive(Default)]
struct Page {
    bytes: usize,
    journal: JournalRows,
    writes: Writes,
    others: Vec<Other>,
}

/// Rows of `journal`.
#[derive(Default)]
struct JournalRows {
    sequences: Vec<i64>,
    times: Vec<i64>,
    seeds: Vec<i64>,
    policies: Vec<String>,
    entries: Vec<String>,
}

/// A row of another table.
enum Other {
    Component(String, Vec<u8>),
    Key(&'static str, String, String, i64),
    Memory(&'static str, Vec<u8>, Vec<u8>),
    Meta(String, String),
    Wake(String, Option<String>),
    Context(&'static str, String, String, Vec<u8>),
    /// A session that holds a task, and that lived where the board was.
    Unseen(String),
}

/// No offset: the time is that of the server.
const NO_OFFSET: i64 = 0;

impl<'a> Intake<'a> {
    fn begin(
        mut link: Link,
        address: &'a Address,
        header: &'a TransferHeader,
        coming: Option<&Coming>,
    ) -> Result<Self, ImportError> {
        let inspection = Inspection::begin(header)?;
        let at = |why: &dyn std::fmt::Display| TransferError::at(1, why);
        for (what, found) in
            [("entry", header.sequence.0), ("token", header.token.0), ("place", header.born)]
        {
            if i64::try_from(found).is_err() {
                return Err(at(&format!("PostgreSQL can't count on from {what} {found}")).into());
            }
        }
        let policies = serde_json::to_string(&header.policies).map_err(|e| at(&e))?;
        let settings = serde_json::to_string(&header.settings).map_err(|e| at(&e))?;
        link.set_patience(PATIENCE);
        let begun = link.pipeline(&[
            Call::of(sql::BEGIN, Vec::new()),
            Call::of(sql::TRANSACTION, Vec::new()),
            Call::of(sql::IDLE_TIMEOUT, vec![&IDLE]),
        ])?;
        let row = begun.get(1).and_then(|rows| rows.first());
        let transaction = row.map(|row| row.get("number")).unwrap_or_default();
        // Whoever else makes a board here is waited for, and then either of them has made it.
        let mut made: Vec<Param<'_>> = vec![&header.board, &policies, &settings];
        let epoch = match coming {
            Some(coming) => give_up_earlier(&mut link, address, coming)? + 1,
            None => 0,
        };
        let statement = match coming {
            Some(coming) => {
                made.extend([&coming.from as Param<'_>, &epoch]);
                sql::NEW_COMING_BOARD
            }
            None => sql::NEW_BOARD,
        };
        match link.query(Call::of(statement, made)) {
            Ok(_) => {}
            Err(LinkError::Unique { .. }) => return Err(exists(address)),
            Err(error) => return Err(error.into()),
        }
        let (page, first) = (Page::default(), None);
        Ok(Self { link, address, transaction, header, inspection, page, first })
    }

    fn take(&mut self, number: u64, line: TransferLine) -> Result<(), ImportError> {
        self.inspection.line(number, &line)?;
        let failed = |error: serde_json::Error| TransferError::at(number, error);
        match line {
            TransferLine::Component { digest, content } => {
                self.page.other(content.0.len(), Other::Component(digest.to_string(), content.0));
            }
            TransferLine::Entry { sequence, policy, entry } => {
                self.first.get_or_insert(sequence);
                self.page.entry(sequence, policy, &entry).map_err(failed)?;
            }
            TransferLine::Record(record) => self.page.record(*record).map_err(failed)?,
            TransferLine::Context { owner, key, content } => {
                let bytes = content.0.len();
                let (kind, owner) = words(&owner);
                let value = Other::Context(kind, owner.to_owned(), key.to_string(), content.0);
                self.page.other(bytes, value);
            }
            // Refused above.
            TransferLine::Header(_) | TransferLine::End { .. } => {}
        }
        if self.page.bytes >= PAGE_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), ImportError> {
        let page = std::mem::take(&mut self.page);
        let classes = ClassRows::of(&page.writes.classes);
        let calls = page.calls(&classes);
        if !calls.is_empty() {
            self.link.pipeline(&calls)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), ImportError> {
        self.inspection.end()?;
        self.send()?;
        let TransferHeader { sequence, token, born, .. } = *self.header;
        let trimmed = self.first.map_or(sequence.0, |first| first.0.saturating_sub(1));
        self.link.pipeline(&[Call::of(sql::SET_TRIMMED, vec![&bigint(trimmed)])])?;
        for (counter, last) in [("entries", sequence.0), ("tokens", token.0), ("births", born)] {
            self.count_on(counter, last)?;
        }
        // So many rows at once are new to whoever plans how to find them.
        self.link.batch("ANALYZE tasks, ready, classes, claims, timers, waits, dependents")?;
        match self.link.pipeline(&[Call::of(sql::COMMIT, Vec::new())]) {
            Ok(_) => Ok(()),
            Err(LinkError::Lost(why)) => self.find_out(why),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the transaction whose end has no answer.
    fn find_out(self, why: String) -> Result<(), ImportError> {
        let Self { link, address, transaction, .. } = self;
        // If the server has it still, it hears that nobody waits for it.
        drop(link);
        let until = Deadline::now() + FIND_OUT;
        while Deadline::now() < until {
            let outcome = Link::connect(address, until)
                .and_then(|mut fresh| fresh.query(Call::of(sql::OUTCOME, vec![&transaction])));
            let row = outcome.as_ref().ok().and_then(|rows| rows.first());
            match row.and_then(|row| row.get::<_, Option<&str>>("outcome")) {
                Some("committed") => return Ok(()),
                Some("aborted") => return Err(LinkError::Lost(why).into()),
                _ => std::thread::sleep(NAP),
            }
        }
        Err(ImportError::Unknown(format!("the connection broke before the answer: {why}")))
    }

    /// Has a sequence go on from the last number that was given, in this transaction: `setval` would be for ever.
    fn count_on(&mut self, counter: &str, last: u64) -> Result<(), LinkError> {
        if last == 0 {
            return self.link.batch(&format!("ALTER SEQUENCE {counter} RESTART WITH 1"));
        }
        self.link.batch(&format!("ALTER SEQUENCE {counter} RESTART WITH {last}"))?;
        self.link.query(Call::of(sql::NEXT_OF, vec![&counter])).map(drop)
    }
}

fn exists(address: &Address) -> ImportError {
    OpenError::from(MigrateError::Exists { board: address.board().to_owned() }).into()
}

/// Empties what an earlier try of the same move has left; in which epoch that was.
fn give_up_earlier(
    link: &mut Link,
    address: &Address,
    coming: &Coming,
) -> Result<i64, ImportError> {
    let lock = key(address.schema(), Kind::Board, "");
    let found = link.pipeline(&[
        Call::of(sql::LOCK_TIMEOUT, vec![&LOCK_MS]),
        Call::of(sql::LOCK_ALONE, vec![&lock]),
        Call::of(sql::EARLIER_BOARD, Vec::new()),
    ])?;
    let Some(row) = found.get(2).and_then(|rows| rows.first()) else { return Ok(0) };
    let (id, found): (&str, _) = (row.get("id"), elsewhere(row));
    if !coming.is_left_by(id, found.as_ref()) {
        // Of the same board, but from a place that was called otherwise: whoever knows it finishes that.
        let same = found.filter(|_| id == coming.board);
        return Err(same.map_or_else(
            || exists(address),
            |elsewhere| OpenError::Begin(elsewhere.refusal().into()).into(),
        ));
    }
    let epoch = row.get("epoch");
    link.batch(sql::EMPTY_TABLES)?;
    Ok(epoch)
}

impl Page {
    fn other(&mut self, bytes: usize, other: Other) {
        self.bytes += bytes + ROW_BYTES;
        self.others.push(other);
    }

    fn entry(
        &mut self,
        sequence: Sequence,
        policy: String,
        entry: &Entry,
    ) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(entry)?;
        self.bytes += text.len() + ROW_BYTES / 8;
        let rows = &mut self.journal;
        rows.sequences.push(bigint(sequence.0));
        rows.times.push(bigint(entry.time.0));
        rows.seeds.push(entry.seed.cast_signed());
        rows.policies.push(policy);
        rows.entries.push(text);
        Ok(())
    }

    fn record(&mut self, record: Record) -> Result<(), serde_json::Error> {
        match record {
            Record::Task(task) => {
                let result = task.result.as_ref().map_or(0, |result| result.as_str().len());
                self.bytes += task.data.as_str().len() + result + ROW_BYTES;
                if let Some(claim) = task.claim.as_ref().filter(|claim| claim.living) {
                    self.others.push(Other::Unseen(claim.session.to_string()));
                }
                self.writes.replace(None, Some(&task));
            }
            Record::Key { command, key, record } => {
                let text = serde_json::to_string(&record)?;
                let at = bigint(record.at.0);
                self.other(text.len(), Other::Key(command.as_str(), key, text, at));
            }
            Record::Memory { space, key, value } => {
                self.other(value.len(), Other::Memory(space_word(space), key.into_bytes(), value));
            }
            Record::Meta { key, value } => {
                let text = value.as_str().to_owned();
                self.other(text.len(), Other::Meta(key.to_string(), text));
            }
            Record::Wake { on, past } => {
                let past = past.map(|past| past.to_string());
                self.other(0, Other::Wake(on.to_string(), past));
            }
        }
        Ok(())
    }

    fn calls<'a>(&'a self, classes: &'a ClassRows) -> Vec<Call<'a>> {
        let mut calls = Vec::new();
        let JournalRows { sequences, times, seeds, policies, entries } = &self.journal;
        if !sequences.is_empty() {
            let params: Vec<Param<'a>> = vec![sequences, times, seeds, policies, entries];
            calls.push(Call::of(sql::ADD_ENTRIES, params));
        }
        let ClassRows { ids, types, needs, assignees } = classes;
        if !ids.is_empty() {
            calls.push(Call::of(sql::INSERT_CLASSES, vec![ids, types, needs, assignees]));
        }
        calls.extend(self.writes.calls());
        calls.extend(self.others.iter().map(Other::call));
        calls
    }
}

impl Other {
    fn call(&self) -> Call<'_> {
        match self {
            Self::Component(digest, content) => Call::of(sql::PUT_COMPONENT, vec![digest, content]),
            Self::Key(command, key, record, at) => {
                Call::of(sql::PUT_KEY, vec![command, key, record, at])
            }
            Self::Memory(space, key, value) => Call::of(sql::PUT_MEMORY, vec![space, key, value]),
            Self::Meta(key, value) => Call::of(sql::PUT_META, vec![key, value]),
            Self::Unseen(session) => Call::of(sql::NOTE_UNSEEN, vec![session]),
            Self::Wake(on, past) => Call::of(sql::PUT_WAKE, vec![on, past]),
            Self::Context(kind, owner, key, value) => {
                Call::of(sql::SET_CONTEXT, vec![kind, owner, key, value, &NO_OFFSET])
            }
        }
    }
}
