//! Edits of bytes, and of lines as a whole.

use crate::Choices;

/// Edits bytes at a place: a bit, a byte, some inserted, some taken away, the end cut off, zeros as a disk leaves
/// them.
pub fn bytes(content: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let kind = choices.below(7);
    let at = choices.below(content.len() + 1);
    let until = |length: usize| (at + length).min(content.len());
    match kind {
        0 if at < content.len() => content[at] ^= 1 << (choices.byte() % 8),
        1 if at < content.len() => content[at] = choices.byte(),
        2 => drop(content.splice(at..at, choices.some().iter().copied())),
        3 => drop(content.drain(at..until(usize::from(choices.byte()) + 1))),
        4 => content.truncate(at),
        5 => {
            let end = until(usize::from(choices.short()));
            content[at..end].fill(0);
        }
        6 => {
            let (some, end) = (choices.some(), until(usize::from(choices.byte())));
            content.splice(at..end, some.iter().copied());
        }
        _ => {}
    }
}

/// Edits lines as a whole: one is dropped, doubled, swapped with another, or put in from `others`. Says from which
/// line on they are different, if they are.
pub fn lines(
    lines: &mut Vec<Vec<u8>>,
    others: &[Vec<u8>],
    choices: &mut Choices<'_>,
) -> Option<usize> {
    let kind = choices.below(5);
    let at = choices.below(lines.len() + usize::from(kind == 3));
    if lines.is_empty() && kind != 3 {
        return None;
    }
    match kind {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let with = choices.below(lines.len());
            lines.swap(at, with);
            return Some(at.min(with));
        }
        3 => lines.insert(at, choices.pick(others)?.clone()),
        _ => lines.truncate(at),
    }
    Some(at)
}
