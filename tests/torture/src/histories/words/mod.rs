//! The words in which a board is asked, answers, and is compared with the model: small and plain, so that a history
//! is a readable file and a state is copied in no time.
//!
//! - `asked`: what is asked ([`Op`]) and answered ([`Answer`]); who asked what and when ([`Call`], [`History`]).
//! - `seen`: what is seen of a board ([`Task`], [`Whole`]).
//!
//! Times are those of the boot clock: it is the same for all processes of a machine, never goes back, and is the one
//! that leases are measured by.

mod asked;
mod seen;

pub use asked::{Action, Answer, Ask, Call, Finish, History, New, No, Op, Proof, Why};
pub use seen::{
    Agent, Claim, Closed, Id, Key, ParentRule, Session, Settings, Span, Status, Task, Verb, Whole,
    Words,
};
