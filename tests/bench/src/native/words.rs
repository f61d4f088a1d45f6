//! The board's values in the policy's types, and back.

use taskhost_board::{
    Agent as BoardAgent, AgentKind as BoardKind, Candidate, Claim as BoardClaim,
    Filter as BoardFilter, Instant, Name, Status as BoardStatus, Task as BoardTask, TaskId,
};
use taskhost_sdk::{Agent, AgentKind, Claim, Filter, Request, Status, Summary};

pub(super) fn candidate(candidate: Candidate) -> Summary {
    Summary {
        id: candidate.id.into(),
        task_type: candidate.task_type.into(),
        priority: candidate.priority,
        rank: candidate.rank,
        created_at: candidate.created_at.0,
        attempts: candidate.attempts,
    }
}

pub(super) fn summary(task: &BoardTask) -> Summary {
    Summary {
        id: task.id.to_string(),
        task_type: task.task_type.to_string(),
        priority: task.priority,
        rank: task.ready_rank().unwrap_or_default(),
        created_at: task.created_at.0,
        attempts: task.attempts,
    }
}

pub(super) fn claim(claim: &BoardClaim, now: &Instant) -> Claim {
    Claim {
        agent: claim.agent.to_string(),
        session: claim.session.to_string(),
        token: claim.token.0,
        since: claim.since.0,
        lease_until: claim.lease.ends(now).0,
    }
}

pub(super) fn status(status: BoardStatus) -> Status {
    match status {
        BoardStatus::Pending => Status::Pending,
        BoardStatus::InProgress => Status::InProgress,
        BoardStatus::InReview => Status::InReview,
        BoardStatus::Blocked => Status::Blocked,
        BoardStatus::Completed => Status::Completed,
        BoardStatus::Failed => Status::Failed,
        BoardStatus::Cancelled => Status::Cancelled,
    }
}

pub(super) fn board_status(status: Status) -> BoardStatus {
    match status {
        Status::Pending => BoardStatus::Pending,
        Status::InProgress => BoardStatus::InProgress,
        Status::InReview => BoardStatus::InReview,
        Status::Blocked => BoardStatus::Blocked,
        Status::Completed => BoardStatus::Completed,
        Status::Failed => BoardStatus::Failed,
        Status::Cancelled => BoardStatus::Cancelled,
    }
}

pub(super) fn request(asker: &BoardAgent, wanted: &BoardFilter, lease_ms: Option<u64>) -> Request {
    let asker = Agent {
        name: asker.name.to_string(),
        kind: match asker.kind {
            BoardKind::Agent => AgentKind::Agent,
            BoardKind::Host => AgentKind::Host,
            BoardKind::Human => AgentKind::Human,
        },
        session: asker.session.to_string(),
        hostname: asker.hostname.as_ref().map(Name::to_string),
        capabilities: texts(&asker.capabilities),
    };
    let filter = Filter {
        task_types: texts(&wanted.types),
        labels: texts(&wanted.labels),
        capabilities: texts(&wanted.capabilities),
        only: wanted.only.as_ref().map(TaskId::to_string),
    };
    Request { asker, filter, lease: lease_ms }
}

/// The filter as the board knows it, or nothing if no task can match it: what isn't a name is no task's type or label.
pub(super) fn filter(filter: &Filter) -> Option<BoardFilter> {
    let names = |texts: &[String]| -> Vec<Name> {
        texts.iter().filter_map(|text| Name::new(text.clone()).ok()).collect()
    };
    let types = names(&filter.task_types);
    let labels = names(&filter.labels);
    if types.is_empty() != filter.task_types.is_empty() || labels.len() != filter.labels.len() {
        return None;
    }
    let only = filter.only.clone().map(TaskId::new).transpose().ok()?;
    Some(BoardFilter { types, labels, capabilities: names(&filter.capabilities), only })
}

pub(super) fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(Name::to_string).collect()
}
