//! Edits of a board's files, from a fuzzer's decisions. Each says whether it is forged: whether it makes right again
//! what an accident would leave wrong.

use serde_json::Value;
use taskhost_board::transfer::{Seal, TransferLine};
use taskhost_board::{Digest, Generation};
use taskhost_mutate::Choices;

use super::Files;
use super::sample::Sample;
use crate::format::snapshot::parse_header;
use crate::format::{BoardFile, Checksum, line, names};

/// Edits one of the board's journals.
pub(super) fn journal(
    files: &mut Files,
    sample: &Sample,
    other: &Sample,
    choices: &mut Choices<'_>,
) -> bool {
    let names = sample.journals();
    // The current one is the one that matters most.
    let name = match choices.below(4) {
        0 => choices.pick(&names).unwrap_or(&names[0]),
        _ => &names[0],
    };
    let Some(content) = files.get(name) else { return false };
    let mut lines = split(content);
    let kind = choices.below(9);
    let at = choices.below(lines.len());
    match kind {
        0 => {
            let mut content = content.clone();
            taskhost_mutate::bytes(&mut content, choices);
            files.insert(name.clone(), content);
            return false;
        }
        1 if !lines.is_empty() => taskhost_mutate::bytes(&mut lines[at], choices),
        2 => drop(taskhost_mutate::lines(&mut lines, &foreign(sample, other), choices)),
        3 => {
            let first = lines.first().and_then(|line| prev_of(line));
            if let Some(from) = taskhost_mutate::lines(&mut lines, &foreign(sample, other), choices)
            {
                chain(&mut lines, from, first.as_deref(), true);
            }
            files.insert(name.clone(), lines.concat());
            return true;
        }
        4 | 5 if !lines.is_empty() => {
            let first = prev_of(&lines[0]);
            let others = values(&other.files[&names[0]]);
            lines[at] = with_json(&lines[at], &others, choices);
            chain(&mut lines, at, first.as_deref().filter(|_| kind == 4 || at == 0), false);
            files.insert(name.clone(), lines.concat());
            return true;
        }
        6 if !lines.is_empty() => {
            let first = prev_of(&lines[0]);
            let mut content = line::unsealed(&lines[at]).to_vec();
            taskhost_mutate::bytes(&mut content, choices);
            line::seal(&mut content);
            lines[at] = content;
            chain(&mut lines, at + 1, first.as_deref(), false);
            files.insert(name.clone(), lines.concat());
            return true;
        }
        7 => {
            files.remove(name);
            return false;
        }
        _ => {
            let with = choices.pick(&names).unwrap_or(&names[0]);
            let from = if choices.byte() & 1 == 0 { sample } else { other };
            files.insert(name.clone(), from.files[with].clone());
            // Nothing ties a whole retired journal to its board: what it began with is gone.
            return std::ptr::eq(from, other) && *name != names[0];
        }
    }
    files.insert(name.clone(), lines.concat());
    false
}

/// Edits the board's snapshot, its pointer, or something that lies beside them.
pub(super) fn snapshot(
    files: &mut Files,
    sample: &Sample,
    other: &Sample,
    choices: &mut Choices<'_>,
) -> bool {
    let name = names::tasks(sample.generation);
    let others = split(&other.files[&name]);
    let kind = choices.below(9);
    let mut lines = files.get(&name).map(|content| split(content)).unwrap_or_default();
    let at = choices.below(lines.len());
    match kind {
        0 | 1 => {
            let all: Vec<String> = files.keys().cloned().collect();
            let usual = [name, names::BOARD.to_owned()];
            let from = if kind == 0 { &usual[..] } else { &all[..] };
            if let Some(content) = choices.pick(from).and_then(|name| files.get_mut(name)) {
                taskhost_mutate::bytes(content, choices);
            }
            return false;
        }
        2 => {
            let all: Vec<String> = files.keys().cloned().collect();
            if let Some(name) = choices.pick(&all) {
                files.remove(name);
            }
            return false;
        }
        3 => {
            if let Some(content) = files.get_mut(names::BOARD) {
                *content = with_json(content, &values(&other.files[names::BOARD]), choices);
                content.push(b'\n');
            }
            return false;
        }
        4 if !lines.is_empty() => taskhost_mutate::bytes(&mut lines[at], choices),
        5 => drop(taskhost_mutate::lines(&mut lines, &others, choices)),
        6 => {
            taskhost_mutate::lines(&mut lines, &others, choices);
            seal_snapshot(files, sample, lines);
            return true;
        }
        _ if !lines.is_empty() => {
            let others: Vec<Value> = others.iter().flat_map(|line| values(line)).collect();
            lines[at] = with_json(&lines[at], &others, choices);
            lines[at].push(b'\n');
            seal_snapshot(files, sample, lines);
            return true;
        }
        _ => {}
    }
    files.insert(name, lines.concat());
    false
}

/// Edits what was exported.
pub(super) fn transfer(stream: &mut Vec<u8>, other: &Sample, choices: &mut Choices<'_>) -> bool {
    let mut lines = split(stream);
    let kind = choices.below(6);
    let at = choices.below(lines.len());
    match kind {
        0 => {
            taskhost_mutate::bytes(stream, choices);
            return false;
        }
        1 => drop(taskhost_mutate::lines(&mut lines, &split(&other.stream), choices)),
        2 => {
            taskhost_mutate::lines(&mut lines, &split(&other.stream), choices);
            seal_stream(&mut lines);
        }
        3 if !lines.is_empty() => {
            taskhost_mutate::bytes(&mut lines[at], choices);
            seal_stream(&mut lines);
        }
        _ if !lines.is_empty() => {
            lines[at] = with_json(&lines[at], &values(&other.stream), choices);
            lines[at].push(b'\n');
            seal_stream(&mut lines);
        }
        _ => {}
    }
    *stream = lines.concat();
    kind != 1
}

/// The board's current generation.
pub(super) fn generation(files: &Files) -> Generation {
    let pointer = BoardFile::decode(&files[names::BOARD]);
    pointer.expect("the sample's pointer is whole").generation
}

/// The same board under another id.
pub(super) fn renamed(files: &Files, id: &str) -> Files {
    let mut files = files.clone();
    let pointer = BoardFile::decode(&files[names::BOARD]).expect("the sample's pointer is whole");
    let pointer = BoardFile { board: id.to_owned(), ..pointer };
    files.insert(names::BOARD.to_owned(), pointer.encode());
    let name = names::tasks(pointer.generation);
    let mut lines = split(&files[&name]);
    let header = parse_header(&lines[0], &name).expect("the sample's header is whole");
    let mut text = String::from_utf8_lossy(&lines[0]).replacen(&header.board, id, 1);
    for generation in (1..pointer.generation.0).map(Generation) {
        let name = names::retired(generation);
        let mut lines = split(&files[&name]);
        // What an older one began with is gone, and nobody asks.
        let seed = Checksum::seed(id, generation, Checksum::default());
        chain(&mut lines, 0, Some(&seed.to_string()), false);
        // How it ends is what the header says of it.
        let past = header.past.iter().find(|past| past.generation == generation);
        let mut all = lines.iter().filter_map(|line| line::decode(line.strip_suffix(b"\n")?).ok());
        let last = past.and_then(|past| all.find(|it| it.place.sequence == past.through));
        if let (Some(past), Some(last)) = (past, last) {
            text = text.replace(&past.sum.to_string(), &last.sum.to_string());
        }
        files.insert(name, lines.concat());
    }
    lines[0] = text.into_bytes();
    let sum = close_snapshot(&mut lines);
    files.insert(name, lines.concat());
    let name = names::journal(pointer.generation);
    let mut lines = split(&files[&name]);
    let seed = Checksum::seed(id, pointer.generation, sum);
    chain(&mut lines, 0, Some(&seed.to_string()), false);
    files.insert(name, lines.concat());
    files
}

fn split(content: &[u8]) -> Vec<Vec<u8>> {
    content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Lines that may get into a journal: those of another board, and those of this one's other generations.
fn foreign(sample: &Sample, other: &Sample) -> Vec<Vec<u8>> {
    let names = sample.journals();
    let all = names.iter().flat_map(|name| [sample.files.get(name), other.files.get(name)]);
    all.flatten().flat_map(|content| split(content)).collect()
}

fn values(content: &[u8]) -> Vec<Value> {
    split(content).iter().filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The line, without its end, with an edit inside its JSON.
fn with_json(line: &[u8], others: &[Value], choices: &mut Choices<'_>) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(line) else { return line.to_vec() };
    taskhost_mutate::json(&mut value, others, choices);
    value.to_string().into_bytes()
}

const PREV: &[u8] = b"\"prev\":\"";

/// Where in a line the checksum of the one before it stands.
fn prev_at(line: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = line.windows(PREV.len()).position(|bytes| bytes == PREV)? + PREV.len();
    let length = line[start..].iter().position(|byte| *byte == b'"')?;
    Some(start..start + length)
}

fn prev_of(line: &[u8]) -> Option<String> {
    prev_at(line).map(|at| String::from_utf8_lossy(&line[at]).into_owned())
}

/// Makes the lines from `from` on continue the one before them, each with a right checksum of its own; the first one
/// of all continues `first`. Without that, only the first of them is given a right checksum. With `renumber` they are
/// also numbered one after the other.
fn chain(lines: &mut [Vec<u8>], from: usize, first: Option<&str>, renumber: bool) {
    let before = from.checked_sub(1).and_then(|before| lines.get(before));
    let mut last =
        before.and_then(|line| line::decode(line.strip_suffix(b"\n").unwrap_or(line)).ok());
    let Some(first) = first else {
        if let Some(line) = lines.get_mut(from) {
            seal(line, None, None);
        }
        return;
    };
    for line in lines.iter_mut().skip(from) {
        let prev = last.as_ref().map_or(first.to_owned(), |last| last.sum.to_string());
        let number = last.as_ref().filter(|_| renumber).map(|last| last.place.sequence.next().0);
        seal(line, Some(&prev), number);
        last = line::decode(line.strip_suffix(b"\n").unwrap_or(line)).ok();
    }
}

/// Gives a line a right checksum, whatever it says.
fn seal(line: &mut Vec<u8>, prev: Option<&str>, number: Option<u64>) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let mut content = match serde_json::from_slice::<Value>(text) {
        // A value's fields are in the order of their names, so its checksum may stand anywhere.
        Ok(Value::Object(mut fields)) => {
            fields.remove("sum");
            if let Some(prev) = prev {
                fields.insert("prev".into(), prev.into());
            }
            if let Some(number) = number {
                fields.insert("seq".into(), number.into());
            }
            ordered(fields)
        }
        _ => line::unsealed(text).to_vec(),
    };
    line::seal(&mut content);
    *line = content;
}

/// The fields of a line with the number first, as every line has it, and without the closing brace.
fn ordered(mut fields: serde_json::Map<String, Value>) -> Vec<u8> {
    let number = fields.remove("seq");
    let mut content = b"{".to_vec();
    for (name, value) in number.map(|number| ("seq".to_owned(), number)).into_iter().chain(fields) {
        if content.len() > 1 {
            content.push(b',');
        }
        content.extend_from_slice(Value::from(name).to_string().as_bytes());
        content.push(b':');
        content.extend_from_slice(value.to_string().as_bytes());
    }
    content
}

/// Puts a snapshot's lines in place with an end that fits them, and the journal that continues it.
fn seal_snapshot(files: &mut Files, sample: &Sample, mut lines: Vec<Vec<u8>>) {
    let sum = close_snapshot(&mut lines);
    let board = BoardFile::decode(&sample.files[names::BOARD]).map(|file| file.board);
    let seed = Checksum::seed(&board.unwrap_or_default(), sample.generation, sum);
    files.insert(names::tasks(sample.generation), lines.concat());
    let name = names::journal(sample.generation);
    if let Some(content) = files.get(&name) {
        let mut journal = split(content);
        chain(&mut journal, 0, Some(&seed.to_string()), false);
        files.insert(name, journal.concat());
    }
}

/// Gives a snapshot an end that fits what is before it.
fn close_snapshot(lines: &mut Vec<Vec<u8>>) -> Checksum {
    if lines.last().is_some_and(|line| line.starts_with(b"{\"end\":")) {
        lines.pop();
    }
    let (all, records) = (lines.concat(), lines.len().saturating_sub(1));
    let end = format!("{{\"end\":{{\"records\":{records},\"sum\":\"{}\"}}}}\n", Digest::of(&all));
    lines.push(end.into_bytes());
    Checksum::of(&[&all])
}

/// Gives a stream an end that fits what is before it.
fn seal_stream(lines: &mut Vec<Vec<u8>>) {
    if lines.last().is_some_and(|line| line.starts_with(b"{\"end\":")) {
        lines.pop();
    }
    let mut seal = Seal::default();
    lines.iter().for_each(|line| seal.add(line));
    let end: TransferLine = seal.end();
    lines.push(end.encode().expect("three plain fields can be written"));
}
