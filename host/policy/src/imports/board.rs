//! `board`: reading tasks, walking over ready ones, recalling.

use taskhost_board::{
    Family as BoardFamily, Filter as BoardFilter, Name, Order as BoardOrder, ReadyQuery,
    Reservation as BoardReservation, TaskId,
};
use wasmtime::component::Resource;

use crate::bindings::taskhost::policy::board::{
    Claim, Family, Filter, Host, HostCursor, HostTask, HostView, Order, Reservation, Status,
    Summary,
};
use crate::failure::Abort;
use crate::handles::{Cursor, OpenCursor, OpenTask, Task, View};
use crate::state::State;
use crate::words;

/// The most tasks or ids that one call gives.
const PAGE_MAX: u32 = 1000;
/// What a number or the header of a text takes in a list, about.
const ENTRY_BYTES: usize = 16;

impl Host for State {}

impl HostView for State {
    fn get(&mut self, _: Resource<View>, id: String) -> wasmtime::Result<Option<Resource<Task>>> {
        self.charge(id.len())?;
        let call = self.call("board.view")?;
        // What isn't an id names no task.
        let Ok(id) = TaskId::new(id) else { return Ok(None) };
        let steps = call.steps;
        match call.tx.task(&id).map_err(Abort::from)? {
            Some(task) => {
                let open = OpenTask { id, read: Some((steps, task)) };
                self.handles.open_task(open).map(Some)
            }
            None => Ok(None),
        }
    }

    fn candidates(
        &mut self,
        _: Resource<View>,
        filter: Filter,
        reserved: Reservation,
        order: Order,
    ) -> wasmtime::Result<Resource<Cursor>> {
        let lists = [&filter.task_types, &filter.labels, &filter.capabilities];
        let bytes = lists.into_iter().map(|list| texts_bytes(list)).sum();
        self.charge(bytes)?;
        let asker = self.call("board.view")?.tx.asker().cloned();
        let reserved = match (reserved, asker) {
            (Reservation::ForAsker, Some(asker)) => Some(BoardReservation::For(asker)),
            (Reservation::Either, Some(asker)) => Some(BoardReservation::Either(asker)),
            (Reservation::ForAsker, None) => None,
            (Reservation::Either, None) | (Reservation::Nobody, _) => {
                Some(BoardReservation::Nobody)
            }
        };
        let order = match order {
            Order::Rank => BoardOrder::Rank,
            Order::Oldest => BoardOrder::Oldest,
            Order::Newest => BoardOrder::Newest,
        };
        let query = reserved
            .and_then(|reserved| Some(ReadyQuery { filter: filter_of(filter)?, reserved, order }));
        self.handles.open_cursor(OpenCursor { query, past: None })
    }

    fn claims_held(&mut self, _: Resource<View>, agent: String) -> wasmtime::Result<u32> {
        self.charge(agent.len())?;
        let call = self.call("board.view")?;
        match Name::new(agent) {
            Ok(name) => Ok(call.tx.claims_held(&name).map_err(Abort::from)?),
            Err(_) => Ok(0),
        }
    }

    fn recall(&mut self, _: Resource<View>, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let space = self.space;
        let value = self.call("board.view")?.tx.recall(space, &key).map_err(Abort::from)?;
        self.charge(key.len() + value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    fn drop(&mut self, _: Resource<View>) -> wasmtime::Result<()> {
        // Views are only ever lent.
        Ok(())
    }
}

impl HostCursor for State {
    fn next(&mut self, cursor: Resource<Cursor>, limit: u32) -> wasmtime::Result<Vec<Summary>> {
        let call = self.call.as_ref().ok_or(Abort::NoBoard("board.cursor"))?;
        let cursor = self.handles.cursor(&cursor)?;
        let Some(query) = &cursor.query else { return Ok(Vec::new()) };
        let limit = limit.min(PAGE_MAX) as usize;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = call.tx.ready(query, cursor.past, limit).map_err(Abort::from)?;
        if let Some(last) = found.last() {
            cursor.past = Some(last.place);
        }
        let summaries: Vec<Summary> = found.into_iter().map(words::candidate).collect();
        self.charge(summaries.iter().map(summary_bytes).sum())?;
        Ok(summaries)
    }

    fn drop(&mut self, cursor: Resource<Cursor>) -> wasmtime::Result<()> {
        self.handles.close(cursor.rep())
    }
}

impl HostTask for State {
    fn summary(&mut self, task: Resource<Task>) -> wasmtime::Result<Summary> {
        let summary = words::summary(self.task(&task)?);
        self.charge(summary_bytes(&summary))?;
        Ok(summary)
    }

    fn status(&mut self, task: Resource<Task>) -> wasmtime::Result<Status> {
        Ok(words::status(self.task(&task)?.status))
    }

    fn parent(&mut self, task: Resource<Task>) -> wasmtime::Result<Option<String>> {
        let parent = self.task(&task)?.parent.as_ref().map(TaskId::to_string);
        self.given(parent)
    }

    fn dependencies(&mut self, task: Resource<Task>) -> wasmtime::Result<Vec<String>> {
        let ids = self.task(&task)?.after.iter().map(TaskId::to_string).collect();
        self.given_list(ids)
    }

    fn children(
        &mut self,
        task: Resource<Task>,
        which: Family,
        past: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<String>> {
        self.charge(past.as_ref().map_or(0, String::len))?;
        let call = self.call.as_ref().ok_or(Abort::NoBoard("board.task"))?;
        let parent = &self.handles.task(&task)?.id;
        let which = match which {
            Family::Every => BoardFamily::Every,
            Family::Open => BoardFamily::Open,
            Family::Unsuccessful => BoardFamily::Unsuccessful,
        };
        let past = past.map(TaskId::new).transpose().map_err(|e| Abort::Misuse(e.to_string()))?;
        let limit = limit.min(PAGE_MAX) as usize;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let children =
            call.tx.children(parent, which, past.as_ref(), limit).map_err(Abort::from)?;
        self.given_list(children.into_iter().map(String::from).collect())
    }

    fn labels(&mut self, task: Resource<Task>) -> wasmtime::Result<Vec<String>> {
        let labels = self.task(&task)?.labels.iter().map(Name::to_string).collect();
        self.given_list(labels)
    }

    fn needs(&mut self, task: Resource<Task>) -> wasmtime::Result<Vec<String>> {
        let needs = self.task(&task)?.needs.iter().map(Name::to_string).collect();
        self.given_list(needs)
    }

    fn assignee(&mut self, task: Resource<Task>) -> wasmtime::Result<Option<String>> {
        let assignee = self.task(&task)?.assignee.as_ref().map(|a| a.name.to_string());
        self.given(assignee)
    }

    fn claim(&mut self, task: Resource<Task>) -> wasmtime::Result<Option<Claim>> {
        let now = self.call("board.task")?.tx.now().clone();
        let claim = self.task(&task)?.claim.as_ref().map(|claim| words::claim(claim, &now));
        self.charge(claim.as_ref().map_or(0, |claim| claim.agent.len() + claim.session.len()))?;
        Ok(claim)
    }

    fn not_before(&mut self, task: Resource<Task>) -> wasmtime::Result<Option<u64>> {
        Ok(self.task(&task)?.not_before.map(|time| time.0))
    }

    fn failures(&mut self, task: Resource<Task>) -> wasmtime::Result<u32> {
        Ok(self.task(&task)?.failures)
    }

    fn reason(&mut self, task: Resource<Task>) -> wasmtime::Result<Option<String>> {
        let reason = self.task(&task)?.reason.clone();
        self.given(reason)
    }

    fn data(&mut self, task: Resource<Task>) -> wasmtime::Result<String> {
        let data = self.task(&task)?.data.as_str().to_owned();
        self.charge(data.len())?;
        Ok(data)
    }

    fn drop(&mut self, task: Resource<Task>) -> wasmtime::Result<()> {
        self.handles.close(task.rep())
    }
}

impl State {
    fn given(&mut self, text: Option<String>) -> wasmtime::Result<Option<String>> {
        self.charge(text.as_ref().map_or(0, String::len))?;
        Ok(text)
    }

    fn given_list(&mut self, texts: Vec<String>) -> wasmtime::Result<Vec<String>> {
        self.charge(texts_bytes(&texts))?;
        Ok(texts)
    }
}

fn texts_bytes(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + ENTRY_BYTES).sum()
}

fn summary_bytes(summary: &Summary) -> usize {
    summary.id.len() + summary.task_type.len() + 4 * ENTRY_BYTES
}

/// The filter as the board knows it, or nothing if no task can match it: what isn't a name is no task's
/// type or label, and what isn't an id names no task.
fn filter_of(filter: Filter) -> Option<BoardFilter> {
    let any_type = filter.task_types.is_empty();
    let types = valid(filter.task_types);
    if types.is_empty() && !any_type {
        return None;
    }
    let labels = filter.labels.into_iter().map(Name::new).collect::<Result<_, _>>().ok()?;
    let only = filter.only.map(TaskId::new).transpose().ok()?;
    Some(BoardFilter { types, labels, capabilities: valid(filter.capabilities), only })
}

fn valid(names: Vec<String>) -> Vec<Name> {
    names.into_iter().filter_map(|name| Name::new(name).ok()).collect()
}
