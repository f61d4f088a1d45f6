//! What is to go wrong, and when.

use super::messages::Said;

/// A moment in what a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// It runs a statement whose text begins with these words, prepared or not, in upper case or lower.
    Statement(String),
    /// It sends a message of this type: `b'S'` is Sync.
    Message(u8),
}

impl Trigger {
    /// [`Trigger::Statement`].
    pub fn statement(words: &str) -> Self {
        Self::Statement(words.to_owned())
    }

    fn fits(&self, said: &Said) -> bool {
        let Said::Message { kind, runs } = said else { return false };
        match self {
            Self::Message(wanted) => wanted == kind,
            Self::Statement(words) => runs.as_ref().is_some_and(|text| {
                let start = text.trim_start().get(..words.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(words))
            }),
        }
    }
}

/// What is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// What a client says after so many bytes of a connection: everything before arrives, also half a message.
    AfterBytes(u64),
    /// The request: the server gets neither this message nor any later one.
    Before(Trigger),
    /// The answer: the server gets the message, and does what it asks for; what it says to it doesn't arrive. Its answers to
    /// what came before do, up to the last "ready".
    After(Trigger),
}

/// What becomes of a connection on which something was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Both sides are told that it has ended.
    Closed,
    /// Nobody is told anything: as where a network is cut, or a machine is gone.
    Silent,
}

#[derive(Debug)]
pub struct Plan {
    pub fault: Fault,
    pub ending: Ending,
    /// How often the moment comes before it is meant.
    pub skip: usize,
}

/// What is planned and hasn't happened. Each happens once, on whichever connection is the first that it fits.
#[derive(Debug, Default)]
pub struct Plans(Vec<Plan>);

impl Plans {
    pub fn add(&mut self, plan: Plan) {
        self.0.push(plan);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens at this message.
    pub fn at(&mut self, said: &Said) -> Option<Plan> {
        let fits = |plan: &Plan| match &plan.fault {
            Fault::Before(trigger) | Fault::After(trigger) => trigger.fits(said),
            Fault::AfterBytes(_) => false,
        };
        let mut due = None;
        for (number, plan) in self.0.iter_mut().enumerate().filter(|(_, plan)| fits(plan)) {
            if plan.skip > 0 {
                plan.skip -= 1;
            } else {
                due = due.or(Some(number));
            }
        }
        Some(self.0.remove(due?))
    }

    /// What happens on a connection whose client has said so many bytes, and after how many of them.
    pub fn at_bytes(&mut self, said: u64) -> Option<(u64, Ending)> {
        let number = self
            .0
            .iter()
            .position(|plan| matches!(plan.fault, Fault::AfterBytes(bytes) if bytes < said))?;
        let Plan { fault, ending, .. } = self.0.remove(number);
        match fault {
            Fault::AfterBytes(bytes) => Some((bytes, ending)),
            Fault::Before(_) | Fault::After(_) => None,
        }
    }
}
