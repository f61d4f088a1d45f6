//! Who asks for work, and for which.

use taskhost::{AgentKind, Filter, Name, SessionOptions};

use crate::parse;

/// What an agent says about itself, besides its name.
#[derive(Debug, Default, clap::Args)]
pub struct Asker {
    /// What kind of worker it is: agent, host or human
    #[arg(long, value_name = "KIND", value_parser = parse::kind, default_value = "agent")]
    pub kind: AgentKind,
    /// The machine it works on; this one unless said otherwise
    #[arg(long, value_name = "HOST")]
    pub hostname: Option<Name>,
    /// Something it can do, as tasks' needs name it; may be given several times
    #[arg(long = "capability", value_name = "CAP")]
    pub capabilities: Vec<Name>,
}

impl Asker {
    /// The session of an agent of this name, which holds no life lock.
    pub fn session(&self, name: &Name, session: Option<&str>) -> SessionOptions {
        let usual = SessionOptions::new(name.as_str());
        SessionOptions {
            kind: self.kind,
            hostname: self.hostname.as_ref().map(ToString::to_string).or(usual.hostname.clone()),
            capabilities: self.capabilities.iter().map(ToString::to_string).collect(),
            session: session.map(String::from),
            living: false,
            ..usual
        }
    }
}

/// Which tasks an agent wants.
#[derive(Debug, Default, clap::Args)]
pub struct Wanted {
    /// Only tasks of this type; may be given several times, for any of them
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<Name>,
    /// Only tasks with this label; may be given several times, for all of them
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Name>,
}

impl Wanted {
    pub fn filter(self) -> Filter {
        Filter { types: self.types, labels: self.labels, ..Filter::default() }
    }
}
