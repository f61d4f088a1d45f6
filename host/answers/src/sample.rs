//! A task for tests.

use taskhost::domain::{BootId, Lease};
use taskhost::{
    AgentKind, Claim, Json, Millis, Name, Readiness, SessionId, Status, Task, TaskId, Token,
};

/// A task that `alice` holds.
pub fn task() -> Task {
    Task {
        id: TaskId::new("build_1").unwrap(),
        task_type: Name::new("build").unwrap(),
        status: Status::InProgress,
        reason: None,
        parent: None,
        after: vec![],
        priority: 0,
        labels: vec![],
        needs: vec![],
        assignee: None,
        data: Json::default(),
        key: None,
        attempts: 1,
        failures: 0,
        claim: Some(claim()),
        closed: None,
        result: None,
        error: None,
        not_before: None,
        created_at: Millis(0),
        updated_at: Millis(0),
        completed_at: None,
        born: 1,
        readiness: Readiness::Ready(0),
    }
}

/// What `alice` holds it by.
pub fn claim() -> Claim {
    Claim {
        agent: Name::new("alice").unwrap(),
        kind: AgentKind::Agent,
        hostname: None,
        session: SessionId::new("s-1").unwrap(),
        living: false,
        process: None,
        token: Token(7),
        since: Millis(0),
        lease: Lease { until: Millis(1_000), boot: BootId("b".into()), boot_ms: 1_000 },
        lease_ms: 1_000,
    }
}
