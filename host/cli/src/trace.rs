//! What the library did and how long it took, on standard error, for whoever asks by the environment.
//!
//! [`VARIABLE`] is a filter as `tracing-subscriber` reads it, such as `taskhost=debug`; [`FORMAT`] is `text` or `json`.
//! Where the first isn't set, nothing is set up, and an operation costs a look at a flag.

use std::env;
use std::io;

use anyhow::Result;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::exit::Usage;

/// Says what is to be told.
const VARIABLE: &str = "TASKHOST_LOG";
/// Says how it is told.
const FORMAT: &str = "TASKHOST_LOG_FORMAT";

enum Format {
    Text,
    Json,
}

/// Tells of every operation from now on, when it ends, if the environment asks for that.
pub fn tell_if_asked() -> Result<()> {
    let Some(filter) = variable(VARIABLE)? else { return Ok(()) };
    let wrong = |why: &dyn std::fmt::Display| {
        Usage(format!(
            "`{VARIABLE}` is `{filter}`, which isn't a filter: {why}; `taskhost=debug` is one, and tells of every \
             operation"
        ))
    };
    let filter = EnvFilter::builder().parse(&filter).map_err(|error| wrong(&error))?;
    // That standard error can't be written is nobody's fault whose command was done: the default is to panic over it.
    let layer = fmt::layer()
        .with_span_events(FmtSpan::CLOSE)
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format()? {
        Format::Text => registry.with(layer.with_filter(filter_fn(is_ours))).init(),
        Format::Json => registry.with(layer.json().with_filter(filter_fn(is_ours))).init(),
    }
    Ok(())
}

/// What libraries tell in detail may have in it what agents wrote; of theirs only warnings are told.
fn is_ours(told: &Metadata<'_>) -> bool {
    told.target().starts_with("taskhost") || *told.level() <= Level::WARN
}

fn format() -> Result<Format> {
    match variable(FORMAT)?.as_deref() {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => {
            Err(Usage(format!("`{FORMAT}` is `{other}`: set it to `text` or to `json`")).into())
        }
    }
}

/// What a variable says, if it says anything.
fn variable(name: &str) -> Result<Option<String>> {
    match env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.into_string()) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(Usage(format!("`{name}` isn't text: set it to UTF-8")).into()),
    }
}
