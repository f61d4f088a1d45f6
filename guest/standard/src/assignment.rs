//! Who gets what? First what is reserved for the asker, then what is reserved for nobody; of either, the
//! lowest rank, then the highest priority, then the oldest.

use crate::{Standard, settings};
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{Assignment, Order, Request, Reservation, StepError, Transaction, View};

/// How many tasks that can't be claimed after all, since somebody has locked them by hand, are passed over
/// before the asker is sent away: more would come near the deadline.
const PASSED_OVER_MAX: u32 = 256;

impl Assignment for Standard {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let asker = &request.asker.name;
        if let Some(limit) = settings::max_claims_per_agent()
            && let Some(why) = over_limit(asker, view.claims_held(asker), limit)
        {
            return Answer::Nothing(Some(why));
        }

        let lease = request.lease.unwrap_or_else(settings::lease);
        let mut passed_over = 0;
        for reserved in [Reservation::ForAsker, Reservation::Nobody] {
            let ready = view.candidates(&request.filter, reserved, Order::Rank);
            while let Some(task) = ready.next(1).first() {
                match tx.claim(&task.id, Some(lease)) {
                    Ok(()) => return Answer::Staged,
                    Err(StepError::Conflict(_)) if passed_over < PASSED_OVER_MAX => {
                        passed_over += 1;
                    }
                    Err(StepError::Conflict(why)) => return Answer::Nothing(Some(why)),
                    Err(error) => return Answer::Refused(error.message().to_owned()),
                }
            }
        }
        Answer::Nothing(None)
    }
}

/// Why the agent may not have another claim, if it may not.
fn over_limit(agent: &str, held: u32, limit: u32) -> Option<String> {
    (held >= limit).then(|| {
        format!("`{agent}` holds {held} of the {limit} claims that `max_claims_per_agent` allows")
    })
}

#[cfg(test)]
mod tests {
    use super::over_limit;

    #[test]
    fn agent_at_its_limit_gets_no_more() {
        assert_eq!(over_limit("a", 1, 2), None);
        assert!(over_limit("a", 2, 2).is_some());
        // The limit was lowered after the claims were made.
        assert!(over_limit("a", 3, 2).is_some());
    }
}
