//! `a2a`: a directory for each standing, a file for each task, which is moved from one to the next.
//!
//! A task whose mover died in between is in two directories. It is one task, which stands where it came furthest; the
//! other file is kept with it. Two files of one id in one directory that don't say the same are two tasks. Directories
//! may have the name of any status that is known, since tasks of a board may stand where the system has no directory;
//! in `completed`, the word in the file says how a task ended. A file keeps its name, and its directory for as long as
//! its task stands where it stood.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use taskhost_board::{Json, Millis, Status, Task, TaskId};

use crate::assemble::{self, Source};
use crate::dialect::{Dialect, Role};
use crate::ids::id_text;
use crate::json_files::remarks_on_meta;
use crate::saving::{save_one_of_many, sync_directory, unwritable};
use crate::shaping::Shaped;
use crate::{Error, Foreign, Format, ReadOptions, Remark, text, times, words};

/// The directories that the system itself has.
pub(crate) const DIRECTORIES: [&str; 3] = ["available", "claimed", "completed"];

/// The directory that holds the others: one of them may be given, but a task may since have been moved to another.
pub(crate) fn root(path: &Path) -> Option<PathBuf> {
    let has_directories = |path: &Path| DIRECTORIES.iter().any(|name| path.join(name).is_dir());
    if has_directories(path) {
        return Some(path.to_owned());
    }
    let path = path.canonicalize().ok()?;
    let parent = path.parent()?;
    let is_one = DIRECTORIES.iter().any(|name| path.ends_with(name)) && path.is_dir();
    is_one.then(|| parent.to_owned())
}

pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    let format = Format::A2a;
    if !path.exists() {
        return Err(Error::NotThere(path.to_owned()));
    }
    let expected = "a directory with `available`, `claimed` or `completed` in it".into();
    let root = root(path).ok_or(Error::Shape { path: path.to_owned(), format, expected })?;
    let mut remarks = Vec::new();
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for entry in list(&root)? {
        let name = file_name(&entry);
        match words::status(&name).filter(|_| entry.is_dir()) {
            Some(standing) => {
                for file in list(&entry)? {
                    match read_file(&file, standing)? {
                        Some(task) => found.entry(task.text.clone()).or_default().push(task),
                        None if file.extension().is_some_and(|extension| extension == "lock") => {}
                        None => remarks.push(left_out(format!("{name}/{}", file_name(&file)))),
                    }
                }
            }
            None if entry.extension().is_some_and(|extension| extension == "lock") => {}
            None => remarks.push(left_out(name)),
        }
    }
    let mut sources = Vec::new();
    for (text, mut files) in found {
        // Stable, so that of two in one place the first one stays.
        files.sort_by_key(|file| std::cmp::Reverse(how_far(file.standing)));
        let mut files = files.into_iter();
        let Some(first) = files.next() else { continue };
        let mut source = first.source;
        let directory = |place: &str| place.split_once('/').map(|(name, _)| name.to_owned());
        for other in files {
            let place = other.place;
            // No mover leaves two files in one directory: unless they say the same, they are two tasks.
            let is_beside = directory(&place) == directory(&first.place);
            if is_beside && other.source.object != source.object {
                sources.push((other.created_at, other.source));
                continue;
            }
            let further = if is_beside { "" } else { ", which came further" };
            let why = format!("the same task as in `{}`{further}", first.place);
            remarks.push(Remark { task: Some(text.clone()), field: place.clone(), why });
            source.copies.push(json!({ "in": place, "task": other.source.object }));
        }
        sources.push((first.created_at, source));
    }
    // Their order of creation, as far as it is known.
    sources.sort_by_key(|(created_at, _)| created_at.unwrap_or(Millis(u64::MAX)));
    let sources = sources.into_iter().map(|(_, source)| source).collect();
    let (arrivals, of_tasks) = assemble::all(Dialect::of(format), sources, options)?;
    remarks.extend(of_tasks);
    Ok(Foreign { arrivals, meta: Vec::new(), remarks })
}

/// A file of a task.
struct Found {
    text: String,
    place: String,
    standing: Status,
    created_at: Option<Millis>,
    source: Source,
}

/// The task in a file; `None` if it isn't a task's.
fn read_file(file: &Path, standing: Status) -> Result<Option<Found>, Error> {
    if file.extension().is_none_or(|extension| extension != "json") || !file.is_file() {
        return Ok(None);
    }
    let raw = text::load_json(file)?;
    let Ok(Value::Object(object)) = serde_json::from_str(raw.get()) else {
        let expected = "an object, which is a task".into();
        return Err(Error::Shape { path: file.to_owned(), format: Format::A2a, expected });
    };
    let named = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let given = |role: Role| {
        let dialect = Dialect::of(Format::A2a);
        object.get(dialect.key(dialect.rule(role)?, &object)?)
    };
    let place = file.parent().map(file_name).unwrap_or_default();
    let place = format!("{place}/{}", file_name(file));
    let created_at = given(Role::CreatedAt).and_then(times::parse);
    let text = given(Role::Id).and_then(id_text);
    let text = text.or_else(|| named.clone()).unwrap_or_default();
    // A name that is no text can't be written again.
    let file = file.to_str().map(|_| place.clone());
    let source = Source { named, file, standing: Some(standing), ..Source::of(object) };
    Ok(Some(Found { text, place, standing, created_at, source }))
}

fn how_far(status: Status) -> u8 {
    match status {
        Status::Pending => 0,
        Status::Blocked => 1,
        Status::InProgress => 2,
        Status::InReview => 3,
        Status::Cancelled => 4,
        Status::Failed => 5,
        Status::Completed => 6,
    }
}

fn left_out(what: String) -> Remark {
    Remark { task: None, field: what, why: "no task's file, so it is left out".into() }
}

/// What is in a directory, in the order of names.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable =
        |e: std::io::Error| Error::Unreadable { path: directory.to_owned(), why: e.to_string() };
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(crate) fn write(
    tasks: Vec<Shaped>,
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    if path.is_file() {
        return Err(Error::Occupied(path.to_owned()));
    }
    let mut remarks = remarks_on_meta(Format::A2a, meta);
    let places = places(&tasks);
    let others = places.iter().map(|place| place.directory.as_str());
    let directories: BTreeSet<&str> = DIRECTORIES.into_iter().chain(others).collect();
    // All are looked at before anything is written.
    for name in &directories {
        let directory = path.join(name);
        let is_free = || Ok(!directory.exists() || fs::read_dir(&directory)?.next().is_none());
        let free = is_free().map_err(|e: std::io::Error| unwritable(&directory, e))?;
        if !free {
            return Err(Error::Occupied(directory));
        }
    }
    for name in &directories {
        let directory = path.join(name);
        fs::create_dir_all(&directory).map_err(|e| unwritable(&directory, e))?;
    }
    for (mut task, Place { directory, name, is_known }) in tasks.into_iter().zip(&places) {
        if !is_known && !DIRECTORIES.contains(&directory.as_str()) {
            let why = format!(
                "`{}` isn't a standing that `a2a` knows, so it is in `{directory}`",
                task.status
            );
            remarks.push(Remark { task: Some(task.id.to_string()), field: "status".into(), why });
        }
        if !says_status(directory, &task) {
            let word = Dialect::of(Format::A2a).word(task.status);
            task.object.insert("status".into(), word.into());
        }
        save_one_of_many(&path.join(directory).join(name), &task.object)?;
        remarks.extend(task.remarks);
    }
    directories.iter().try_for_each(|name| sync_directory(&path.join(name)))?;
    sync_directory(path)?;
    Ok(remarks)
}

/// Where a task's file is put.
struct Place {
    directory: String,
    name: String,
    /// Whether the task came from this directory.
    is_known: bool,
}

/// Where the tasks are put: where they came from, as far as that is a place of such a task and nobody else has it.
fn places(tasks: &[Shaped]) -> Vec<Place> {
    let mut taken: BTreeSet<(String, String)> = BTreeSet::new();
    let mut take = |directory: &str, name: &str| {
        // Some file systems know no case.
        taken.insert((directory.to_lowercase(), name.to_lowercase()))
    };
    let usual = |task: &Shaped| format!("{}.json", task.id);
    // Those that are called by their ids come first: no other can take their place.
    for task in tasks.iter().filter(|task| task.file.is_none()) {
        take(directory(task.status), &usual(task));
    }
    let place = |task: &Shaped| {
        let own = directory(task.status);
        let Some(file) = &task.file else {
            return Place { directory: own.to_owned(), name: usual(task), is_known: false };
        };
        let (known, name) = file.split_once('/').map_or((None, &**file), |(d, n)| (Some(d), n));
        let known = known.filter(|name| is_directory(name, task.status));
        let (is_known, directory) = (known.is_some(), known.unwrap_or(own));
        let numbered = (2..).map(|n| format!("{}-{n}.json", task.id));
        let names = Some(name.to_owned()).filter(|name| is_file_name(name)).into_iter();
        let mut names = names.chain([usual(task)]).chain(numbered);
        let name = names.find(|name| take(directory, name)).unwrap_or_else(|| usual(task));
        Place { directory: directory.to_owned(), name, is_known }
    };
    tasks.iter().map(place).collect()
}

/// Whether tasks of this status can be in a directory of this name. It comes from a task's data, which anybody may write.
fn is_directory(name: &str, status: Status) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b" _-".contains(&b));
    let is_end = words::status(name) == Some(Status::Completed) && status.is_finished();
    plain && name.len() <= 64 && (is_end || words::status(name) == Some(status))
}

/// Whether a task's file can have this name.
fn is_file_name(name: &str) -> bool {
    let is_odd = |c: char| c.is_control() || "/\\:".contains(c);
    name.ends_with(".json") && !name.starts_with('.') && !name.contains(is_odd) && name.len() <= 200
}

/// Whether a file in this directory is read as one of a task that stands where this one does.
fn says_status(directory: &str, task: &Shaped) -> bool {
    let said = task.object.get("status").and_then(Value::as_str).and_then(words::status);
    match (words::status(directory), said) {
        (Some(Status::Completed), Some(said)) if said.is_finished() => said == task.status,
        (standing, _) => standing == Some(task.status),
    }
}

/// The file in which a task is unless another one is remembered.
pub(crate) fn usual_file(task: &Task) -> String {
    format!("{}/{}.json", directory(task.status), task.id)
}

/// Where a task of this status is put. What is parked must not be where anybody takes it.
fn directory(status: Status) -> &'static str {
    match status {
        Status::Pending => "available",
        Status::InProgress => "claimed",
        Status::InReview => "in_review",
        Status::Blocked => "blocked",
        Status::Completed | Status::Failed | Status::Cancelled => "completed",
    }
}
