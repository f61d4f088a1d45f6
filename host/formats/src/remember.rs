//! What must be remembered of a task so that it gets its own shape back: see the top of the crate for where it stands.

use serde_json::{Map, Value, json};
use taskhost_board::{Arrival, BootId, Claim, Lease, Readiness, SessionId, Status, Task, Token};

use crate::dialect::{Dialect, Role};
use crate::draft::Draft;
use crate::shaping::{Links, SESSION, has_content, mark, or_blank, written};
use crate::{Error, Format, IMPORTED, Remark, a2a};

/// Gives a draft, whose names of other tasks are settled, its data with all that must be remembered.
pub(crate) fn remember(
    dialect: &Dialect,
    mut draft: Draft,
) -> Result<(Arrival, Vec<Remark>), Error> {
    let mut rest = draft.rest();
    let mut imported = Map::new();
    let own_room = dialect.has(Role::Data);
    let data = if own_room {
        if !rest.is_empty() {
            imported.insert("fields".into(), Value::Object(rest));
        }
        match draft.value(Role::Data) {
            Some(Value::Object(data)) if !data.contains_key(IMPORTED) => Some(data),
            Some(other) => {
                let why = format!("no object, so it stands under `{IMPORTED}`");
                let named = format!("it has a field `{IMPORTED}`, so all of it stands under that");
                draft.remark("data", if other.is_object() { named } else { why });
                None
            }
            None => None,
        }
    } else {
        if let Some(own) = rest.remove(IMPORTED) {
            imported.insert("fields".into(), json!({ IMPORTED: own }));
        }
        if dialect.format == Format::Todo2 && !has_content(&rest) {
            imported.insert("content".into(), json!({}));
        }
        Some(rest).filter(|rest| !rest.is_empty())
    };
    let copies = std::mem::take(&mut draft.source.copies);
    if !copies.is_empty() {
        imported.insert("copies".into(), copies.into());
    }
    if let Some(place) = draft.place {
        imported.insert("place".into(), place.into());
    }
    let data_value = |data: Option<Map<String, Value>>| data.map_or(Value::Null, Value::Object);
    draft.arrival.new.data = draft.keep(data_value(data.clone()))?;
    let task = as_task(&draft.arrival);
    if let Some(file) = draft.source.file.take().filter(|file| *file != a2a::usual_file(&task)) {
        let mut memo = Map::from_iter([("was".to_owned(), file.into())]);
        memo.extend(mark(dialect, Role::Status, &task).map(|mark| ("is".to_owned(), mark)));
        imported.insert("file".into(), memo.into());
    }
    for rule in dialect.rules {
        let given = draft.given.iter().find(|(of, ..)| of.role == rule.role);
        let mut memo = Map::new();
        if let Some((_, name, _)) = given
            && name != rule.name()
        {
            memo.insert("as".into(), name.as_str().into());
        }
        let was = given.map(|(.., value)| value);
        let now = or_blank(rule, written(dialect, rule.role, &task, &Links::new()));
        let changes_when_claimed =
            rule.role == Role::UpdatedAt && task.status == Status::InProgress;
        if was != now.as_ref() || changes_when_claimed {
            memo.extend(was.map(|was| ("was".to_owned(), was.clone())));
            memo.extend(mark(dialect, rule.role, &task).map(|mark| ("is".to_owned(), mark)));
        }
        if !memo.is_empty() {
            imported.insert(rule.name().into(), Value::Object(memo));
        }
    }
    if !imported.is_empty() {
        imported.insert("format".into(), dialect.format.as_str().into());
        let mut data = data.unwrap_or_default();
        data.insert(IMPORTED.into(), Value::Object(imported));
        draft.arrival.new.data = draft.keep(Value::Object(data))?;
    }
    Ok((draft.arrival, draft.remarks))
}

/// The task that comes of an arrival, as far as a shape shows it.
fn as_task(Arrival { new, past }: &Arrival) -> Task {
    let claim = past.claim.as_ref().map(|claim| {
        let since = claim.since.unwrap_or_default();
        let lease =
            Lease { until: since.plus(claim.lease_ms), boot: BootId(String::new()), boot_ms: 0 };
        Claim {
            agent: claim.agent.clone(),
            kind: claim.kind,
            hostname: claim.hostname.clone(),
            session: SessionId::new(format!("{SESSION}0")).expect("it is letters and a digit"),
            living: false,
            process: None,
            token: Token(0),
            since,
            lease,
            lease_ms: claim.lease_ms,
        }
    });
    Task {
        id: new.id.clone().expect("an id is given before anything is remembered"),
        task_type: new.task_type.clone(),
        status: past.status,
        reason: past.reason.clone(),
        parent: new.parent.clone(),
        after: new.after.clone(),
        priority: new.priority,
        labels: new.labels.clone(),
        needs: new.needs.clone(),
        assignee: new.assignee.clone(),
        data: new.data.clone(),
        key: None,
        attempts: past.attempts,
        failures: past.failures,
        claim,
        closed: None,
        result: past.result.clone(),
        error: past.error.clone(),
        not_before: new.not_before,
        created_at: past.created_at.unwrap_or_default(),
        updated_at: past.updated_at.unwrap_or_default(),
        completed_at: past.completed_at,
        born: 0,
        readiness: Readiness::Unasked,
    }
}
