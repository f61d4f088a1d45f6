//! What can be looked at without calling a tool: the board at a glance, a task, and what is below it.

use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;
use taskhost::{Board, Error, ProblemKind, TaskId};
use taskhost_answers::{BoardStatus, Bounds, Envelope, Failure, Forest, Shown, TREE_DEPTH_MAX};

const STATUS: &str = "board://status";
const TREE: &str = "board://tree";
const TASK_OF: &str = "board://task/";
const TREE_OF: &str = "board://tree/";
const JSON: &str = "application/json";

/// How many tasks of a tree are shown.
const TREE_MAX: usize = 500;

/// Those of the whole board.
pub fn list() -> Vec<Resource> {
    let resource = |uri: &str, name: &str, description: &str| {
        Resource::new(uri, name).with_description(description).with_mime_type(JSON)
    };
    vec![
        resource(STATUS, "status", "how many tasks stand where, of which type and with whom"),
        resource(TREE, "tree", "tasks below their parents, the first 500"),
    ]
}

/// Those of a task.
pub fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, description: &str| {
        ResourceTemplate::new(uri, name).with_description(description).with_mime_type(JSON)
    };
    vec![
        template("board://task/{id}", "task", "everything about one task"),
        template(
            "board://tree/{id}",
            "tree of a task",
            "a task and what is below it, the first 500",
        ),
    ]
}

/// What it is now.
pub fn read(board: &Board, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let text = if uri == STATUS {
        shown(BoardStatus::new(board))
    } else if uri == TREE {
        shown(
            board
                .view()
                .and_then(|view| Forest::of_board(&*view))
                .map(|forest| forest.tree(&WHOLE)),
        )
    } else if let Some(id) = uri.strip_prefix(TASK_OF) {
        let id = task(uri, id)?;
        shown(board.task(&id).map(|task| Shown::from(&task)))
    } else if let Some(id) = uri.strip_prefix(TREE_OF) {
        let id = task(uri, id)?;
        shown(
            board
                .view()
                .and_then(|view| Forest::below(&*view, &id))
                .map(|forest| forest.tree(&WHOLE)),
        )
    } else {
        return Err(missing(uri));
    };
    let contents = ResourceContents::text(text?, uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]))
}

const WHOLE: Bounds = Bounds { depth: TREE_DEPTH_MAX, open: false, limit: TREE_MAX };

fn shown<T: Serialize>(found: Result<T, Error>) -> Result<String, ErrorData> {
    let found = found.map_err(|error| {
        let failure = Failure::new(&error);
        let data = serde_json::to_value(&failure).ok();
        if failure.kind == ProblemKind::Missing {
            ErrorData::resource_not_found(failure.message, data)
        } else {
            ErrorData::internal_error(failure.message, data)
        }
    })?;
    serde_json::to_string(&Envelope::new(&found))
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn task(uri: &str, id: &str) -> Result<TaskId, ErrorData> {
    TaskId::new(id).map_err(|_| missing(uri))
}

fn missing(uri: &str) -> ErrorData {
    let there_are =
        "there are `board://status`, `board://tree`, `board://task/ID` and `board://tree/ID`";
    ErrorData::resource_not_found(format!("there is no `{uri}`: {there_are}"), None)
}
