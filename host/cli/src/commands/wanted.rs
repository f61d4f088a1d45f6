//! Which events are asked for, besides when and about which task.

use taskhost::Name;
use taskhost::domain::Command;
use taskhost_answers::events::Event;

use crate::parse;

/// Which events are asked for.
#[derive(Debug, Default, clap::Args)]
pub struct Wanted {
    /// Only what agents and operators of this name did, or lost
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// Only events of this kind, as `completed`; may be given several times, for any of them
    #[arg(long = "event", value_name = "EVENT", value_parser = parse::event)]
    events: Vec<&'static str>,
    /// Only what this command did, as `claim`; may be given several times, for any of them
    #[arg(long = "command", value_name = "COMMAND", value_parser = parse::command)]
    commands: Vec<Command>,
}

impl Wanted {
    /// Whether nothing in particular is asked for.
    pub fn is_everything(&self) -> bool {
        self.agent.is_none() && self.events.is_empty() && self.commands.is_empty()
    }

    /// Whether `event` is one of them.
    pub fn has(&self, event: &Event) -> bool {
        (self.events.is_empty() || self.events.contains(&event.event))
            && (self.commands.is_empty() || self.commands.contains(&event.command))
            && self.agent.as_ref().is_none_or(|name| event.is_by(name))
    }
}
