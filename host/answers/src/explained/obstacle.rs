//! What stands between a task and being claimed.

use serde_json::{Value, json};
use taskhost::wire::{self, WireAssignee};
use taskhost::{Name, Obstacle, Status};

use super::Relations;

/// The obstacle as JSON.
pub fn json(obstacle: &Obstacle, relations: &Relations) -> Value {
    match obstacle {
        Obstacle::Finished(status) => json!({ "kind": "finished", "status": status.as_str() }),
        Obstacle::Held { claim, lease_until, over } => json!({
            "kind": "claimed",
            "holder": claim.agent.as_str(),
            "session": claim.session.as_str(),
            "since": wire::time(claim.since),
            "lease_until": wire::time(*lease_until),
            "lease_over": over,
        }),
        Obstacle::InReview { completed_by } => json!({
            "kind": "in_review",
            "completed_by": completed_by.as_ref().map(Name::as_str),
        }),
        Obstacle::Blocked(reason) => json!({ "kind": "blocked", "reason": reason }),
        Obstacle::Waiting { on, why } => {
            let on: Vec<Value> = on
                .iter()
                .map(|(id, status)| {
                    json!({
                        "id": id.as_str(),
                        "status": status.map(Status::as_str),
                        "relation": relations.get(id).map(|relation| relation.as_str()),
                    })
                })
                .collect();
            json!({ "kind": "waiting", "on": on, "reason": why })
        }
        Obstacle::Until(time) => json!({ "kind": "until", "time": wire::time(*time) }),
        Obstacle::Never(reason) => json!({ "kind": "never", "reason": reason }),
        Obstacle::WillBeCancelled(reason) => {
            json!({ "kind": "will_be_cancelled", "reason": reason })
        }
        Obstacle::Reserved(assignee) => {
            let whole = WireAssignee::from(assignee);
            json!({ "kind": "reserved", "holder": assignee.name.as_str(), "assignee": whole })
        }
        Obstacle::Locked(by) => json!({ "kind": "locked", "holder": by }),
        Obstacle::Lacks(needs) => {
            json!({ "kind": "lacks", "needs": needs.iter().map(Name::as_str).collect::<Vec<_>>() })
        }
        Obstacle::NotGiven(reason) => json!({ "kind": "not_given", "reason": reason }),
        Obstacle::Refused(reason) => json!({ "kind": "refused", "reason": reason }),
    }
}
