//! A task as the map keeps it: the same task, without the names of its fields.
//!
//! A board keeps one of these for every task, and every claim reads and writes one; the names would take as much as all
//! else. So the fields stand in this order, each always, and another field makes another layout of the index. What people
//! read, the journal and snapshots, has the names.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    AgentKind, Assignee, Claim, Json, Lease, Millis, Name, Process, Readiness, SessionId, Status,
    Task, TaskId, Token, task::Closed,
};

/// See [`Task`], whose fields these are.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptTask<'a> {
    id: Cow<'a, TaskId>,
    task_type: Cow<'a, Name>,
    status: Status,
    reason: Option<Cow<'a, str>>,
    parent: Option<Cow<'a, TaskId>>,
    after: Cow<'a, [TaskId]>,
    priority: i32,
    labels: Cow<'a, [Name]>,
    needs: Cow<'a, [Name]>,
    assignee: Option<KeptAssignee<'a>>,
    data: Cow<'a, Json>,
    key: Option<Cow<'a, str>>,
    attempts: u32,
    failures: u32,
    claim: Option<KeptClaim<'a>>,
    closed: Option<Cow<'a, Closed>>,
    result: Option<Cow<'a, Json>>,
    error: Option<Cow<'a, str>>,
    not_before: Option<Millis>,
    created_at: Millis,
    updated_at: Millis,
    completed_at: Option<Millis>,
    born: u64,
    readiness: Cow<'a, Readiness>,
}

/// See [`Assignee`].
#[derive(Serialize, Deserialize)]
struct KeptAssignee<'a> {
    name: Cow<'a, Name>,
    kind: AgentKind,
    hostname: Option<Cow<'a, Name>>,
    by: Option<Cow<'a, Name>>,
}

/// See [`Claim`].
#[derive(Serialize, Deserialize)]
struct KeptClaim<'a> {
    agent: Cow<'a, Name>,
    kind: AgentKind,
    hostname: Option<Cow<'a, Name>>,
    session: Cow<'a, SessionId>,
    living: bool,
    process: Option<Cow<'a, Process>>,
    token: Token,
    since: Millis,
    lease: Cow<'a, Lease>,
    lease_ms: u64,
}

fn text(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

fn borrowed<T: Clone>(value: &Option<T>) -> Option<Cow<'_, T>> {
    value.as_ref().map(Cow::Borrowed)
}

fn owned<T: ToOwned + ?Sized>(value: Option<Cow<'_, T>>) -> Option<T::Owned> {
    value.map(Cow::into_owned)
}

impl<'a> From<&'a Task> for KeptTask<'a> {
    fn from(task: &'a Task) -> Self {
        let Task {
            id,
            task_type,
            status,
            reason,
            parent,
            after,
            priority,
            labels,
            needs,
            assignee,
            data,
            key,
            attempts,
            failures,
            claim,
            closed,
            result,
            error,
            not_before,
            created_at,
            updated_at,
            completed_at,
            born,
            readiness,
        } = task;
        Self {
            id: Cow::Borrowed(id),
            task_type: Cow::Borrowed(task_type),
            status: *status,
            reason: text(reason),
            parent: borrowed(parent),
            after: Cow::Borrowed(after),
            priority: *priority,
            labels: Cow::Borrowed(labels),
            needs: Cow::Borrowed(needs),
            assignee: assignee.as_ref().map(KeptAssignee::from),
            data: Cow::Borrowed(data),
            key: text(key),
            attempts: *attempts,
            failures: *failures,
            claim: claim.as_ref().map(KeptClaim::from),
            closed: borrowed(closed),
            result: borrowed(result),
            error: text(error),
            not_before: *not_before,
            created_at: *created_at,
            updated_at: *updated_at,
            completed_at: *completed_at,
            born: *born,
            readiness: Cow::Borrowed(readiness),
        }
    }
}

impl From<KeptTask<'_>> for Task {
    fn from(kept: KeptTask<'_>) -> Self {
        Self {
            id: kept.id.into_owned(),
            task_type: kept.task_type.into_owned(),
            status: kept.status,
            reason: owned(kept.reason),
            parent: owned(kept.parent),
            after: kept.after.into_owned(),
            priority: kept.priority,
            labels: kept.labels.into_owned(),
            needs: kept.needs.into_owned(),
            assignee: kept.assignee.map(Assignee::from),
            data: kept.data.into_owned(),
            key: owned(kept.key),
            attempts: kept.attempts,
            failures: kept.failures,
            claim: kept.claim.map(Claim::from),
            closed: owned(kept.closed),
            result: owned(kept.result),
            error: owned(kept.error),
            not_before: kept.not_before,
            created_at: kept.created_at,
            updated_at: kept.updated_at,
            completed_at: kept.completed_at,
            born: kept.born,
            readiness: kept.readiness.into_owned(),
        }
    }
}

impl<'a> From<&'a Assignee> for KeptAssignee<'a> {
    fn from(assignee: &'a Assignee) -> Self {
        let Assignee { name, kind, hostname, by } = assignee;
        Self {
            name: Cow::Borrowed(name),
            kind: *kind,
            hostname: borrowed(hostname),
            by: borrowed(by),
        }
    }
}

impl From<KeptAssignee<'_>> for Assignee {
    fn from(kept: KeptAssignee<'_>) -> Self {
        Self {
            name: kept.name.into_owned(),
            kind: kept.kind,
            hostname: owned(kept.hostname),
            by: owned(kept.by),
        }
    }
}

impl<'a> From<&'a Claim> for KeptClaim<'a> {
    fn from(claim: &'a Claim) -> Self {
        let Claim {
            agent,
            kind,
            hostname,
            session,
            living,
            process,
            token,
            since,
            lease,
            lease_ms,
        } = claim;
        Self {
            agent: Cow::Borrowed(agent),
            kind: *kind,
            hostname: borrowed(hostname),
            session: Cow::Borrowed(session),
            living: *living,
            process: borrowed(process),
            token: *token,
            since: *since,
            lease: Cow::Borrowed(lease),
            lease_ms: *lease_ms,
        }
    }
}

impl From<KeptClaim<'_>> for Claim {
    fn from(kept: KeptClaim<'_>) -> Self {
        Self {
            agent: kept.agent.into_owned(),
            kind: kept.kind,
            hostname: owned(kept.hostname),
            session: kept.session.into_owned(),
            living: kept.living,
            process: owned(kept.process),
            token: kept.token,
            since: kept.since,
            lease: kept.lease.into_owned(),
            lease_ms: kept.lease_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode_task, encode_task};
    use crate::{Readiness, Task, TaskId};

    fn task(json: &str) -> Task {
        serde_json::from_str(json).expect("is a task")
    }

    #[test]
    fn task_with_everything_and_task_with_nothing_are_kept_as_they_are() {
        let least =
            r#"{"id":"t","type":"work","status":"pending","created_at":1,"updated_at":2,"born":3}"#;
        let most = r#"{
            "id": "t", "type": "work", "status": "in_progress", "reason": "r", "parent": "p", "after": ["a", "b"],
            "priority": -1, "labels": ["l"], "needs": ["n", "o"],
            "assignee": {"name": "x", "kind": "human", "by": "y"}, "data": {"a": [1.50, null]}, "key": "k",
            "attempts": 4, "failures": 5,
            "claim": {
                "agent": "x", "kind": "host", "session": "s", "living": true,
                "process": {"pid": 1, "started": 2, "boot": "b", "namespace": 3},
                "token": 6, "since": 7, "lease": {"until": 8, "boot": "b", "boot_ms": 9}, "lease_ms": 10
            },
            "closed": {"token": 5, "agent": "z", "verb": null}, "result": [true], "error": "e", "not_before": 11,
            "created_at": 12, "updated_at": 13, "completed_at": 14, "born": 15, "readiness": {"ready": 16}
        }"#;
        let waiting =
            Readiness::Waiting { on: vec![TaskId::new("a").expect("is an id")], why: None };
        let why = Readiness::Waiting { on: vec![], why: Some("w".into()) };
        let answers = [Readiness::Unasked, waiting, why, Readiness::Never("n".into())];
        let mut tasks = vec![task(least), task(most)];
        tasks.extend(answers.into_iter().map(|readiness| Task { readiness, ..task(least) }));
        for task in tasks {
            let kept = encode_task(&task);
            assert_eq!(decode_task(&kept).expect("was encoded"), task);
            assert!(kept.len() < serde_json::to_vec(&task).expect("serializes").len());
        }
    }
}
