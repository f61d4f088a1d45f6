//! PostgreSQL's protocol, as far as one must read it to know what a client asks for and when it has been answered.
//!
//! A message is a byte for its type, its length in four bytes, big end first, which count themselves, and so many bytes less
//! four. What a client says first has no type: a length and a code, which is the protocol's version or one of those below. To
//! the question for encryption the server answers with one byte that is no message.
//!
//! A statement runs by `Q`uery, with its text, or by `P`arse, which gives its text a name once, and then `B`ind, which names it,
//! and `E`xecute as often as one likes. For each Query and each `S`ync the server answers with a `Z`, "ready", after all
//! answers to what stands before it; and with one more once it has let the client in.

use std::collections::HashMap;

const CANCEL: u32 = 80_877_102;
const ENCRYPT: u32 = 80_877_103;
const ENCRYPT_GSS: u32 = 80_877_104;

/// Bytes as they come, and messages as they are whole.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
}

impl Splitter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What isn't whole yet.
    pub fn rest(&self) -> &[u8] {
        &self.bytes
    }

    /// Everything that is there, whole or not.
    pub fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The next byte, which is no message.
    pub fn take_byte(&mut self) -> Option<u8> {
        (!self.bytes.is_empty()).then(|| self.bytes.remove(0))
    }

    /// The next message that has a type.
    pub fn take_message(&mut self) -> Option<Vec<u8>> {
        self.take(1)
    }

    fn take(&mut self, before_length: usize) -> Option<Vec<u8>> {
        let length = number(self.bytes.get(before_length..before_length + 4)?)?;
        // Less than itself would stop us for ever; it is the server that complains.
        let end = before_length + usize::try_from(length).ok()?.max(4);
        (self.bytes.len() >= end).then(|| self.bytes.drain(..end).collect())
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// What a client's message means to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It asks whether the rest can be encrypted: the answer is a byte.
    Encrypt,
    /// It says who it is; it's ready when it has been let in.
    Start,
    /// A message of this type. With the text, if a statement runs by it.
    Message { kind: u8, runs: Option<String> },
    /// It wants another connection's statement stopped, and says nothing more.
    Cancel,
}

impl Said {
    /// Whether the server says "ready" once it has done this.
    pub fn makes_ready(&self) -> bool {
        matches!(self, Self::Start | Self::Message { kind: b'Q' | b'S' | b'F', .. })
    }
}

/// Follows one client.
#[derive(Debug, Default)]
pub struct Client {
    started: bool,
    splitter: Splitter,
    statements: HashMap<Vec<u8>, String>,
}

impl Client {
    pub fn splitter(&mut self) -> &mut Splitter {
        &mut self.splitter
    }

    /// The next message that is whole: what it means, and its bytes.
    pub fn take(&mut self) -> Option<(Said, Vec<u8>)> {
        if self.started {
            let message = self.splitter.take_message()?;
            return Some((self.understand(&message), message));
        }
        let message = self.splitter.take(0)?;
        let said = match message.get(4..8).and_then(number) {
            Some(ENCRYPT | ENCRYPT_GSS) => Said::Encrypt,
            Some(CANCEL) => Said::Cancel,
            _ => Said::Start,
        };
        self.started = said == Said::Start;
        Some((said, message))
    }

    fn understand(&mut self, message: &[u8]) -> Said {
        let (kind, body) = (message[0], &message[5..]);
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let runs = match kind {
            b'Q' => Some(lossy(text())),
            b'P' => {
                let (name, sql) = (text().to_vec(), lossy(text()));
                self.statements.insert(name, sql);
                None
            }
            b'B' => {
                let (_portal, statement) = (text(), text());
                self.statements.get(statement).cloned()
            }
            b'C' if body.first() == Some(&b'S') => {
                self.statements.remove(&text()[1..]);
                None
            }
            _ => None,
        };
        Said::Message { kind, runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    fn first(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
        [&length, &code.to_be_bytes(), body].concat()
    }

    fn conversation() -> Vec<u8> {
        [
            first(ENCRYPT, b""),
            first(196_608, b"user\0ada\0\0"),
            message(b'P', b"s1\0COMMIT\0\0\0"),
            message(b'P', b"s2\0SELECT 1\0\0\0"),
            message(b'S', b""),
            message(b'B', b"\0s2\0\0\0\0\0\0\0"),
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'C', b"Ss1\0"),
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'Q', b"ROLLBACK\0"),
        ]
        .concat()
    }

    fn understood(chunk: usize) -> (Vec<Said>, Vec<u8>) {
        let mut client = Client::default();
        let (mut said, mut passed) = (Vec::new(), Vec::new());
        for bytes in conversation().chunks(chunk) {
            client.splitter().push(bytes);
            while let Some((what, bytes)) = client.take() {
                said.push(what);
                passed.extend(bytes);
            }
        }
        assert!(client.splitter().rest().is_empty());
        (said, passed)
    }

    #[test]
    fn a_statement_is_known_by_the_name_that_it_was_prepared_with_however_the_bytes_come() {
        let ran = |kind, text: &str| Said::Message { kind, runs: Some(text.to_owned()) };
        let other = |kind| Said::Message { kind, runs: None };
        let expected = vec![
            Said::Encrypt,
            Said::Start,
            other(b'P'),
            other(b'P'),
            other(b'S'),
            ran(b'B', "SELECT 1"),
            ran(b'B', "COMMIT"),
            other(b'E'),
            other(b'C'),
            other(b'B'),
            ran(b'Q', "ROLLBACK"),
        ];
        for chunk in 1..=conversation().len() {
            assert_eq!(understood(chunk), (expected.clone(), conversation()), "chunks of {chunk}");
        }
    }

    #[test]
    fn each_query_and_each_sync_is_answered_by_ready_and_nothing_else_is() {
        let (said, _) = understood(7);
        let ready: Vec<usize> = (0..said.len()).filter(|&n| said[n].makes_ready()).collect();
        assert_eq!(ready, [1, 4, 10]);
    }
}
