//! The tokens of a real board as the model numbers them: 1, 2, 3 and so on, in the order in which they were given.
//!
//! That later ones are greater is promised, and that none is left out is not: where transactions run side by side, one
//! that comes to nothing may have taken a number with it.

use crate::words::{Action, Answer, Command, Proof};

/// Every token that was given, in that order.
#[derive(Debug, Default)]
pub struct Tokens {
    given: Vec<u64>,
}

impl Tokens {
    /// A command of the model, with the board's tokens.
    pub fn real_in(&self, command: &Command) -> Command {
        let mut command = command.clone();
        let proof = match &mut command {
            Command::Heartbeat { proof, .. } | Command::Finish { proof, .. } => Some(proof),
            Command::Change { action: Action::Block { proof, .. }, .. } => proof.as_mut(),
            _ => None,
        };
        if let Some(Proof { token: Some(token), .. }) = proof {
            *token = self.real(*token);
        }
        command
    }

    /// Numbers the tokens in an answer of the board.
    pub fn number_in(&mut self, answer: &mut Answer) {
        let tasks = match answer {
            Answer::Added(added) => added.iter_mut().map(|(task, _)| task).collect(),
            Answer::Task(task, _) => vec![&mut **task],
            Answer::Changed { touched, .. } => touched.values_mut().flatten().collect(),
            Answer::Whole(whole) => whole.tasks.iter_mut().collect(),
            Answer::Done | Answer::Nothing { .. } | Answer::No(_) => Vec::new(),
        };
        for claim in tasks.into_iter().filter_map(|task| task.claim.as_mut()) {
            claim.token = self.seen(claim.token);
        }
    }

    /// A token that the board has named, as the model does.
    fn seen(&mut self, token: u64) -> u64 {
        if self.given.last().is_none_or(|last| *last < token) {
            self.given.push(token);
        }
        let place = self.given.binary_search(&token);
        place.map(|place| place as u64 + 1).expect("tokens grow, and each is seen when it is given")
    }

    /// A token that the model names, as the board does: one that wasn't given yet is none of those that were.
    fn real(&self, token: u64) -> u64 {
        let Some(before) = token.checked_sub(1) else { return 0 };
        let beyond = token.saturating_sub(self.given.len() as u64);
        let last = self.given.last().copied().unwrap_or_default();
        let given = usize::try_from(before).ok().and_then(|place| self.given.get(place));
        given.copied().unwrap_or(last + beyond)
    }
}

#[test]
fn tokens_are_numbered_in_the_order_in_which_they_were_given() {
    let mut tokens = Tokens::default();
    assert_eq!([3, 7, 3, 20].map(|token| tokens.seen(token)), [1, 2, 1, 3]);
    assert_eq!([0, 1, 2, 3, 4, 5].map(|token| tokens.real(token)), [0, 3, 7, 20, 21, 22]);
}
