//! The systems that keep all tasks in one JSON file: `task-manager`, `todo2` and `task-board`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use taskhost_board::{Json, TaskId};

use crate::assemble::{self, Source};
use crate::dialect::Dialect;
use crate::ids::id_text;
use crate::saving::{Members, save_json};
use crate::shaping::Shaped;
use crate::{Error, Foreign, Format, IMPORTED_META, ReadOptions, Remark, text};

type Raw = Box<RawValue>;

/// What the file of `todo2` is called, in a directory that is called [`TODO2_DIRECTORY`].
pub(crate) const TODO2_FILE: &str = "state.todo2.json";
/// See [`TODO2_FILE`].
pub(crate) const TODO2_DIRECTORY: &str = ".todo2";

pub(crate) fn read_task_manager(path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    let format = Format::TaskManager;
    let expected = "an object with `tasks`, an object of tasks by their ids";
    let not = |what: &str| {
        let expected = format!("{expected}{what}");
        Error::Shape { path: path.to_owned(), format, expected }
    };
    let shape = || not("");
    let (tasks, mut fields) = take(&text::load_json(path)?, "tasks").ok_or_else(shape)?;
    let mut remarks = Vec::new();
    let mut sources = Vec::new();
    for (id, raw) in text::members(&tasks).ok_or_else(shape)? {
        let mut object = object(&raw).ok_or_else(|| not(&no_object(&format!("task `{id}`"))))?;
        let mut source = Source::of(Map::new());
        // Its key is its id, whatever else it says.
        if let Some(inner) = object.insert("id".into(), id.clone().into()) {
            if id_text(&inner).as_ref() != Some(&id) {
                let why = "another id than the key it stands under, which is taken".into();
                remarks.push(Remark { task: Some(id), field: "id".into(), why });
            }
            source.beside.insert("id".into(), inner);
        }
        sources.push(Source { object, ..source });
    }
    let mut meta = Vec::new();
    let mut odd = None;
    if let Some(Value::Object(metadata)) = fields.get("metadata").cloned() {
        fields.remove("metadata");
        // Even if nothing is left in it: it was there.
        let odd = odd.insert(Map::new());
        for (key, value) in metadata {
            match keep_meta(&key, &value) {
                Some(pair) => meta.push(pair),
                None => drop(odd.insert(key, value)),
            }
        }
    }
    let mut rest = json!({ "format": format.as_str(), "fields": fields });
    if let Some(odd) = odd {
        rest["metadata"] = odd.into();
    }
    finish(format, sources, meta, rest, remarks, options)
}

/// A pair of metadata, if a board can keep it.
fn keep_meta(key: &str, value: &Value) -> Option<(TaskId, Json)> {
    let key = TaskId::new(key).ok().filter(|key| key.as_str() != IMPORTED_META)?;
    let value = Json::try_from(value.clone()).ok().filter(|value| !value.is_null())?;
    Some((key, value))
}

pub(crate) fn read_todo2(path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    let format = Format::Todo2;
    let path = todo2_file(path);
    let expected = "an object with `todos`, a list of objects";
    let not = |what: String| {
        let expected = format!("{expected}{what}");
        Error::Shape { path: path.clone(), format, expected }
    };
    let (todos, fields) =
        take(&text::load_json(&path)?, "todos").ok_or_else(|| not(String::new()))?;
    let sources = objects(&todos).map_err(not)?;
    let rest = match fields.is_empty() {
        true => Value::Null,
        false => json!({ "format": format.as_str(), "fields": fields }),
    };
    finish(format, sources, Vec::new(), rest, Vec::new(), options)
}

/// The file that is meant by it, by its directory, or by the project that this is in.
pub(crate) fn todo2_file(path: &Path) -> PathBuf {
    let is_file = path.is_file() || path.extension().is_some_and(|extension| extension == "json");
    if is_file {
        path.to_owned()
    } else if path.ends_with(TODO2_DIRECTORY) || path.join(TODO2_FILE).exists() {
        path.join(TODO2_FILE)
    } else {
        path.join(TODO2_DIRECTORY).join(TODO2_FILE)
    }
}

pub(crate) fn read_task_board(path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    let format = Format::TaskBoard;
    let expected = "a list of objects, or an object with such a list under `tasks`";
    let not = |what: String| {
        let expected = format!("{expected}{what}");
        Error::Shape { path: path.to_owned(), format, expected }
    };
    let raw = text::load_json(path)?;
    let (tasks, rest) = match take(&raw, "tasks") {
        Some((tasks, fields)) => (tasks, json!({ "format": format.as_str(), "fields": fields })),
        None => (raw, Value::Null),
    };
    let sources = objects(&tasks).map_err(not)?;
    finish(format, sources, Vec::new(), rest, Vec::new(), options)
}

/// Puts together what a file has; `rest` is what belongs to no task and has no key of its own.
fn finish(
    format: Format,
    sources: Vec<Source>,
    mut meta: Vec<(TaskId, Json)>,
    rest: Value,
    mut remarks: Vec<Remark>,
    options: &ReadOptions,
) -> Result<Foreign, Error> {
    let (arrivals, of_tasks) = assemble::all(Dialect::of(format), sources, options)?;
    remarks.extend(of_tasks);
    if !rest.is_null() {
        meta.push(imported_meta(rest)?);
    }
    Ok(Foreign { arrivals, meta, remarks })
}

/// What has no key of its own, under the one for that.
pub(crate) fn imported_meta(rest: Value) -> Result<(TaskId, Json), Error> {
    let key = TaskId::new(IMPORTED_META).expect("it is letters");
    Ok((key, Json::try_from(rest).map_err(|e| text::unkeepable(IMPORTED_META.into(), &e))?))
}

/// What was remembered of a board of this format.
pub(crate) fn remembered(format: Format, meta: &[(TaskId, Json)]) -> Option<Map<String, Value>> {
    let (_, value) = meta.iter().find(|(key, _)| key.as_str() == IMPORTED_META)?;
    match serde_json::from_str(value.as_str()) {
        Ok(Value::Object(rest)) if rest.get("format") == Some(&format.as_str().into()) => {
            Some(rest)
        }
        _ => None,
    }
}

/// A remark for each key of metadata, where a system has no place for any.
pub(crate) fn remarks_on_meta(format: Format, meta: &[(TaskId, Json)]) -> Vec<Remark> {
    // What an import left there is nobody's but this crate's, whatever format it is about.
    let ours = Format::ALL.into_iter().any(|format| remembered(format, meta).is_some());
    let lost = meta.iter().filter(|(key, _)| !(ours && key.as_str() == IMPORTED_META));
    lost.map(|(key, _)| Remark {
        task: None,
        field: format!("meta {key}"),
        why: format!("`{format}` has no place for it, so it is left out"),
    })
    .collect()
}

/// The value of `key` in an object, and the other members.
fn take(raw: &RawValue, key: &str) -> Option<(Raw, Map<String, Value>)> {
    let mut members = text::members(raw)?;
    let place = members.iter().position(|(name, _)| name == key)?;
    let (_, taken) = members.remove(place);
    let rest = members.into_iter().map(|(name, raw)| Some((name, value(&raw)?)));
    Some((taken, rest.collect::<Option<_>>()?))
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

fn object(raw: &RawValue) -> Option<Map<String, Value>> {
    match value(raw)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// The objects in a list; else what to say of it besides what was expected.
fn objects(raw: &RawValue) -> Result<Vec<Source>, String> {
    let Some(Value::Array(items)) = value(raw) else { return Err(String::new()) };
    let object = |(at, item): (usize, Value)| match item {
        Value::Object(object) => Ok(Source::of(object)),
        _ => Err(no_object(&format!("item {} of the list", at + 1))),
    };
    items.into_iter().enumerate().map(object).collect()
}

fn no_object(what: &str) -> String {
    format!(", and {what} isn't an object")
}

/// The objects of tasks, apart from the remarks on them.
pub(crate) fn part(tasks: Vec<Shaped>) -> (Vec<Map<String, Value>>, Vec<Remark>) {
    let (objects, remarks): (Vec<_>, Vec<_>) =
        tasks.into_iter().map(|task| (task.object, task.remarks)).unzip();
    (objects, remarks.into_iter().flatten().collect())
}

fn fields_of(rest: Option<&Map<String, Value>>, part: &str) -> Map<String, Value> {
    match rest.and_then(|rest| rest.get(part)) {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    }
}

/// A file's members beside its tasks.
#[derive(Serialize)]
struct File<T> {
    #[serde(flatten)]
    fields: Map<String, Value>,
    #[serde(flatten)]
    tasks: T,
}

pub(crate) fn write_task_manager(
    tasks: Vec<Shaped>,
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    #[derive(Serialize)]
    struct Tasks {
        tasks: Members,
    }
    let rest = remembered(Format::TaskManager, meta);
    let mut fields = fields_of(rest.as_ref(), "fields");
    let mut metadata = fields_of(rest.as_ref(), "metadata");
    for (key, value) in meta {
        if rest.is_none() || key.as_str() != IMPORTED_META {
            let value = serde_json::from_str(value.as_str()).unwrap_or(Value::Null);
            metadata.insert(key.to_string(), value);
        }
    }
    // A file that came without them needs none.
    let had_metadata = rest.as_ref().is_none_or(|rest| rest.contains_key("metadata"));
    if had_metadata || !metadata.is_empty() {
        fields.insert("metadata".into(), metadata.into());
    }
    if rest.is_none() {
        fields.insert("workflow_type".into(), "generic".into());
    }
    let mut remarks = Vec::new();
    let mut members = Vec::with_capacity(tasks.len());
    for Shaped { id, mut object, inner_id, remarks: of_one, .. } in tasks {
        let key = match object.remove("id") {
            // Any text is a key, the empty one too.
            Some(Value::String(key)) => key,
            other => other.as_ref().and_then(id_text).unwrap_or_else(|| id.to_string()),
        };
        if let Some(inner) = inner_id {
            object.insert("id".into(), inner);
        }
        members.push((key, Value::Object(object)));
        remarks.extend(of_one);
    }
    save_json(path, &File { fields, tasks: Tasks { tasks: Members(members) } })?;
    Ok(remarks)
}

pub(crate) fn write_todo2(
    tasks: Vec<Shaped>,
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    let (todos, mut remarks) = part(tasks);
    remarks.extend(remarks_on_meta(Format::Todo2, meta));
    let mut file = fields_of(remembered(Format::Todo2, meta).as_ref(), "fields");
    file.insert("todos".into(), todos.into_iter().map(Value::Object).collect());
    save_json(&todo2_file(path), &file)?;
    Ok(remarks)
}

pub(crate) fn write_task_board(
    tasks: Vec<Shaped>,
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    let (tasks, mut remarks) = part(tasks);
    remarks.extend(remarks_on_meta(Format::TaskBoard, meta));
    let tasks: Value = tasks.into_iter().map(Value::Object).collect();
    match remembered(Format::TaskBoard, meta) {
        Some(rest) => {
            let mut file = fields_of(Some(&rest), "fields");
            file.insert("tasks".into(), tasks);
            save_json(path, &file)?;
        }
        None => save_json(path, &tasks)?,
    }
    Ok(remarks)
}
