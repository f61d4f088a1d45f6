//! The board's values in the contract's types, and back.

use taskhost_board::{
    Agent as BoardAgent, AgentKind as BoardKind, Candidate, Claim as BoardClaim,
    Filter as BoardFilter, Instant, Name, Status as BoardStatus, Task as BoardTask, TaskId,
};

use crate::bindings::taskhost::policy::types::{
    Agent, AgentKind, Claim, Filter, Request, Status, Summary,
};

pub(crate) fn candidate(candidate: Candidate) -> Summary {
    Summary {
        id: candidate.id.into(),
        task_type: candidate.task_type.into(),
        priority: candidate.priority,
        rank: candidate.rank,
        created_at: candidate.created_at.0,
        attempts: candidate.attempts,
    }
}

pub(crate) fn summary(task: &BoardTask) -> Summary {
    Summary {
        id: task.id.to_string(),
        task_type: task.task_type.to_string(),
        priority: task.priority,
        rank: task.ready_rank().unwrap_or_default(),
        created_at: task.created_at.0,
        attempts: task.attempts,
    }
}

pub(crate) fn claim(claim: &BoardClaim, now: &Instant) -> Claim {
    Claim {
        agent: claim.agent.to_string(),
        session: claim.session.to_string(),
        token: claim.token.0,
        since: claim.since.0,
        lease_until: claim.lease.ends(now).0,
    }
}

pub(crate) fn status(status: BoardStatus) -> Status {
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

pub(crate) fn board_status(status: Status) -> BoardStatus {
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

pub(crate) fn request(asker: &BoardAgent, wanted: &BoardFilter, lease_ms: Option<u64>) -> Request {
    Request { asker: agent(asker), filter: filter(wanted), lease: lease_ms }
}

fn agent(agent: &BoardAgent) -> Agent {
    Agent {
        name: agent.name.to_string(),
        kind: match agent.kind {
            BoardKind::Agent => AgentKind::Agent,
            BoardKind::Host => AgentKind::Host,
            BoardKind::Human => AgentKind::Human,
        },
        session: agent.session.to_string(),
        hostname: agent.hostname.as_ref().map(Name::to_string),
        capabilities: texts(&agent.capabilities),
    }
}

fn filter(filter: &BoardFilter) -> Filter {
    Filter {
        task_types: texts(&filter.types),
        labels: texts(&filter.labels),
        capabilities: texts(&filter.capabilities),
        only: filter.only.as_ref().map(TaskId::to_string),
    }
}

fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(Name::to_string).collect()
}
