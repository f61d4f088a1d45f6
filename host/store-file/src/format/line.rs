//! A line of the journal: one committed entry.
//!
//! ```text
//! {"seq":7,"gen":2,"prev":"9f…","time":…,"request":{…},"policy":"3c…","seed":"…","changes":[…],
//!  "durable_through":6,"sum":"41…"}⏎
//! ```
//!
//! - `seq` grows by one from line to line and across generations; `gen` is the journal's generation.
//! - `prev` is the `sum` of the line before; in the first line, the chain's seed ([`Checksum::seed`]).
//! - `policy` is the short digest of the policy that decided, `seed` what its random numbers were drawn from.
//! - `durable_through` is the highest sequence known to be durable when the line was written: what recovery
//!   tells a torn end from damage by.
//! - `sum` is the checksum of all bytes before `,"sum":`, so that a line can be verified alone.

use serde::{Deserialize, Serialize};
use taskhost_board::{Change, Entry, Generation, Millis, Request, Sequence};

use super::Checksum;

const SUM_OPENING: &[u8] = b",\"sum\":\"";
/// `,"sum":"` and 16 digits and `"}`.
const SUM_BYTES: usize = SUM_OPENING.len() + 16 + 2;
/// What every line begins with.
pub(crate) const OPENING: &[u8] = b"{\"seq\":";

/// What a line says beside the entry itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sequence: Sequence,
    pub(crate) generation: Generation,
    pub(crate) prev: Checksum,
    pub(crate) policy: String,
    pub(crate) durable_through: Sequence,
}

/// A line that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) entry: Entry,
    pub(crate) sum: Checksum,
}

#[derive(Serialize)]
struct Written<'a> {
    seq: Sequence,
    #[serde(rename = "gen")]
    generation: Generation,
    prev: Checksum,
    time: Millis,
    request: &'a Request,
    policy: &'a str,
    /// In hex, since readers of JSON keep numbers to 53 bits.
    seed: String,
    changes: &'a [Change],
    durable_through: Sequence,
}

#[derive(Deserialize)]
struct Parsed {
    seq: Sequence,
    #[serde(rename = "gen")]
    generation: Generation,
    prev: Checksum,
    time: Millis,
    request: Request,
    #[serde(default)]
    policy: String,
    seed: String,
    changes: Vec<Change>,
    durable_through: Sequence,
}

/// The bytes of a line, with its end, and its checksum.
pub(crate) fn encode(
    place: &Place,
    entry: &Entry,
) -> Result<(Vec<u8>, Checksum), serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    let written = Written {
        seq: place.sequence,
        generation: place.generation,
        prev: place.prev,
        time: entry.time,
        request: &entry.request,
        policy: &place.policy,
        seed: format!("{:016x}", entry.seed),
        changes: &entry.changes,
        durable_through: place.durable_through,
    };
    serde_json::to_writer(&mut bytes, &written)?;
    bytes.pop(); // The closing brace: the checksum goes before it.
    let sum = seal(&mut bytes);
    Ok((bytes, sum))
}

/// Completes a line that has everything but its checksum and what follows it.
pub(crate) fn seal(bytes: &mut Vec<u8>) -> Checksum {
    let sum = Checksum::of(&[bytes]);
    bytes.extend_from_slice(SUM_OPENING);
    bytes.extend_from_slice(sum.to_string().as_bytes());
    bytes.extend_from_slice(b"\"}\n");
    sum
}

/// What [`seal`] was given, of a line with or without its end; all of one that has no checksum.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn unsealed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let cut = line.len().saturating_sub(SUM_BYTES);
    if line[cut..].starts_with(SUM_OPENING) { &line[..cut] } else { line }
}

/// The checksum that a line (without its end) bears, if it is the right one.
pub(crate) fn verify(bytes: &[u8]) -> Result<Checksum, &'static str> {
    let cut = bytes.len().checked_sub(SUM_BYTES).ok_or("the line is cut off")?;
    let (content, tail) = bytes.split_at(cut);
    let digits = tail.strip_prefix(SUM_OPENING).and_then(|rest| rest.strip_suffix(b"\"}"));
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let sum = digits.and_then(Checksum::parse).ok_or("the line has no checksum at its end")?;
    if sum == Checksum::of(&[content]) { Ok(sum) } else { Err("the line's checksum is wrong") }
}

/// A line (without its end) that verifies alone.
pub(crate) fn decode(bytes: &[u8]) -> Result<Line, String> {
    let sum = verify(bytes)?;
    let parsed: Parsed =
        serde_json::from_slice(bytes).map_err(|e| format!("the line can't be read: {e}"))?;
    let seed =
        u64::from_str_radix(&parsed.seed, 16).map_err(|_| "the line's seed can't be read")?;
    Ok(Line {
        place: Place {
            sequence: parsed.seq,
            generation: parsed.generation,
            prev: parsed.prev,
            policy: parsed.policy,
            durable_through: parsed.durable_through,
        },
        entry: Entry { time: parsed.time, request: parsed.request, seed, changes: parsed.changes },
        sum,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use taskhost_board::Command;

    use super::*;

    fn sample() -> (Place, Entry) {
        let place = Place {
            sequence: Sequence(7),
            generation: Generation(2),
            prev: Checksum([1; 8]),
            policy: "abc".into(),
            durable_through: Sequence(6),
        };
        let entry = Entry {
            time: Millis(5),
            request: Request::of(Command::Upkeep),
            seed: u64::MAX,
            changes: vec![],
        };
        (place, entry)
    }

    #[test]
    fn line_reads_back_as_written() {
        let (place, entry) = sample();
        let (bytes, sum) = encode(&place, &entry).unwrap();
        assert_eq!(bytes.last(), Some(&b'\n'));
        assert!(bytes.starts_with(OPENING));
        let line = decode(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(line, Line { place, entry, sum });
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (place, entry) = sample();
        let (bytes, sum) = encode(&place, &entry).unwrap();
        let bytes = &bytes[..bytes.len() - 1];
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Hex digits may change case and still say the same checksum.
            assert!(decode(&flipped).map_or(true, |line| line.sum == sum && line.entry == entry));
        }
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err());
        }
    }
}
