//! A whole board on its way from one store to another: a stream of JSON lines that says nothing of how either of
//! them keeps it.
//!
//! ```text
//! {"header":{"transfer":1,"board":"…","sequence":41,"token":9,"born":7,"policies":{…},"settings":{…}}}⏎
//! {"component":{"digest":"3c…","content":"AGFzbQ…"}}⏎     each policy that the board decides by
//! {"entry":{"sequence":12,"policy":"3c…","entry":{…}}}⏎   the history, as far back as it is kept, up to `sequence`
//! {"record":{"task":{…}}}⏎                                 what the board holds after that entry
//! {"context":{"owner":{"task":"a"},"key":"k","content":"…"}}⏎   the large values
//! {"end":{"lines":57,"sum":"…"}}⏎                          the number of lines before, and the SHA-256 of their bytes
//! ```
//!
//! - [`TransferLine`]: a line. [`Seal`] counts and sums lines into the last one.
//! - [`TransferReader`]: reads lines, and refuses a stream that was cut off or changed, with the line's number.
//! - [`Inspection`], [`Travel`]: what must hold of a board that is taken in, or carried away, by whichever store.
//!
//! The kinds of lines come in the order above. Contents are Base64 (the `base64` crate: for large values half as
//! long a detour as hexadecimal). Fields that aren't known are ignored; whatever changes a meaning raises
//! [`TRANSFER`].

mod inspection;
mod travel;

use std::io::{self, BufRead, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::image::Record;
use crate::{BoardSettings, Digest, Entry, Owner, PolicySet, Sequence, TaskId, Token};

pub use inspection::Inspection;
pub use travel::{Travel, in_count, needed};

/// The version of the stream that is written here.
pub const TRANSFER: u32 = 1;

/// The longest line that is read, in bytes: room for the largest of the large values.
pub const LINE_BYTES_MAX: u64 = 256 << 20;

/// Which board it is, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferHeader {
    /// The version of the stream.
    pub transfer: u32,
    /// The board's id. It stays the same board.
    pub board: String,
    /// Its last entry.
    pub sequence: Sequence,
    /// The last token given.
    pub token: Token,
    /// The last place in the order of creation.
    #[serde(deserialize_with = "crate::read_born")]
    pub born: u64,
    /// The policies that decide.
    pub policies: PolicySet,
    /// The board's own settings.
    pub settings: BoardSettings,
}

/// A line of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferLine {
    /// The first line.
    Header(Box<TransferHeader>),
    /// A policy component.
    Component {
        /// Its digest.
        digest: Digest,
        /// The component.
        content: Content,
    },
    /// An entry of the history.
    Entry {
        /// Its number: one more than that of the entry before.
        sequence: Sequence,
        /// The short digest of the policy that decided, as far as that is known.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        policy: String,
        /// The entry.
        entry: Box<Entry>,
    },
    /// Something that the board holds.
    Record(Box<Record>),
    /// A large value.
    Context {
        /// Whose it is.
        owner: Owner,
        /// Its key.
        key: TaskId,
        /// The value.
        content: Content,
    },
    /// The last line.
    End {
        /// How many lines came before it.
        lines: u64,
        /// The SHA-256 of all their bytes, line ends included.
        sum: Digest,
    },
}

impl TransferLine {
    /// The line's bytes, with its end.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Bytes, in Base64 where they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Content(pub Vec<u8>);

impl From<Content> for String {
    fn from(content: Content) -> Self {
        BASE64_STANDARD.encode(content.0)
    }
}

impl TryFrom<String> for Content {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        BASE64_STANDARD.decode(text).map(Self).map_err(|e| format!("it is not Base64: {e}"))
    }
}

/// What is known of the lines so far.
#[derive(Debug, Clone, Default)]
pub struct Seal {
    lines: u64,
    hash: Sha256,
}

impl Seal {
    /// Takes in a line, with its end.
    pub fn add(&mut self, bytes: &[u8]) {
        self.lines += 1;
        self.hash.update(bytes);
    }

    /// The line that ends a stream of these lines.
    pub fn end(&self) -> TransferLine {
        TransferLine::End { lines: self.lines, sum: Digest::from_hash(self.hash.clone()) }
    }
}

/// A stream could not be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of what is imported: {why}")]
pub struct TransferError {
    /// The line's number, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl TransferError {
    /// Something is wrong with the line of this number.
    pub fn at(line: u64, why: impl std::fmt::Display) -> Self {
        Self { line, why: why.to_string() }
    }
}

/// Reads a stream: hands over every line but the last one, with its number, and ends after that one was checked.
/// What was handed over is only good once it has ended without an error.
pub struct TransferReader<R> {
    from: R,
    seal: Seal,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The place of the kind of the last line, in their order.
    Reading(u8),
    Ended,
}

impl<R: BufRead> TransferReader<R> {
    /// Reads a stream from its beginning.
    pub fn new(from: R) -> Self {
        Self { from, seal: Seal::default(), state: State::Reading(0) }
    }

    fn read(&mut self, last: u8) -> Result<Option<(u64, TransferLine)>, TransferError> {
        let number = self.seal.lines + 1;
        let at = |why: String| TransferError::at(number, why);
        let mut bytes = Vec::new();
        let mut limited = (&mut self.from).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut bytes).map_err(|e| at(format!("it can't be read: {e}")))?;
        match bytes.last() {
            Some(b'\n') => {}
            _ if bytes.len() as u64 == LINE_BYTES_MAX => return Err(at("it is too long".into())),
            _ => return Err(at("the stream was cut off here: export the board again".into())),
        }
        let line = parse(&bytes).map_err(at)?;
        let order = order(&line);
        if last == 0 && order != 1 {
            return Err(at("it isn't the header of a board's export".into()));
        }
        if order < last || (order == 1 && last == 1) {
            return Err(at("lines of its kind come earlier".into()));
        }
        if let TransferLine::End { .. } = line {
            if line != self.seal.end() {
                return Err(
                    at("its checksum is wrong: some line above was changed or lost".into()),
                );
            }
            let more = self.from.fill_buf().map_err(|e| at(format!("it can't be read: {e}")))?;
            if !more.is_empty() {
                return Err(at("something follows the end".into()));
            }
            return Ok(None);
        }
        self.seal.add(&bytes);
        self.state = State::Reading(order);
        Ok(Some((number, line)))
    }
}

impl<R: BufRead> Iterator for TransferReader<R> {
    type Item = Result<(u64, TransferLine), TransferError>;

    fn next(&mut self) -> Option<Self::Item> {
        let State::Reading(last) = self.state else { return None };
        let read = self.read(last);
        if !matches!(read, Ok(Some(_))) {
            self.state = State::Ended;
        }
        read.transpose()
    }
}

fn parse(bytes: &[u8]) -> Result<TransferLine, String> {
    // Asked first: another version's header may not parse as ours.
    #[derive(Deserialize)]
    struct AnyTop {
        header: AnyHeader,
    }
    #[derive(Deserialize)]
    struct AnyHeader {
        transfer: u32,
    }
    if let Ok(AnyTop { header }) = serde_json::from_slice(bytes)
        && header.transfer > TRANSFER
    {
        return Err(format!(
            "its version is {}, and this version of taskhost knows {TRANSFER}: import it with a newer taskhost",
            header.transfer
        ));
    }
    serde_json::from_slice(bytes).map_err(|e| format!("it can't be read: {e}"))
}

fn order(line: &TransferLine) -> u8 {
    match line {
        TransferLine::Header(_) => 1,
        TransferLine::Component { .. } => 2,
        TransferLine::Entry { .. } => 3,
        TransferLine::Record(_) => 4,
        TransferLine::Context { .. } => 5,
        TransferLine::End { .. } => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyPin;

    fn stream() -> Vec<u8> {
        let digest = Digest::of(b"policy");
        let policies = PolicySet {
            custom: None,
            standard: PolicyPin { digest, settings: Default::default() },
        };
        let header = TransferHeader {
            transfer: TRANSFER,
            board: "b".into(),
            sequence: Sequence(0),
            token: Token(0),
            born: 0,
            policies,
            settings: BoardSettings::default(),
        };
        let component = TransferLine::Component { digest, content: Content(b"policy".to_vec()) };
        let (mut seal, mut all) = (Seal::default(), Vec::new());
        for line in [TransferLine::Header(Box::new(header)), component] {
            let bytes = line.encode().expect("it can be written");
            seal.add(&bytes);
            all.extend(bytes);
        }
        all.extend(seal.end().encode().expect("it can be written"));
        all
    }

    fn read(bytes: &[u8]) -> Result<Vec<TransferLine>, TransferError> {
        TransferReader::new(bytes).map(|line| line.map(|(_, line)| line)).collect()
    }

    #[test]
    fn stream_reads_back_as_written() {
        assert_eq!(read(&stream()).expect("it is whole").len(), 2);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let whole = stream();
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let lines = read(&whole).expect("it is whole");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Hex digits of the sum may change case and still say the same.
            assert!(read(&flipped).map_or(true, |found| found == lines), "bit {bit}");
        }
        assert!(read(&[&whole[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn a_newer_stream_says_what_it_needs() {
        let newer = br#"{"header":{"transfer":2,"anything":[]}}"#;
        let error = read(&[&newer[..], b"\n"].concat()).expect_err("it is newer");
        assert!(error.to_string().contains("line 1") && error.why.contains("a newer taskhost"));
    }
}
