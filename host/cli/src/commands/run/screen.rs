//! Standard error, shared by everybody who has something to say: whole lines only, above the bar if there is one.

use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{hanging, visible};

/// How often the bar's clock is drawn.
const TICK: Duration = Duration::from_millis(200);

/// Where things are said. Clones are the same screen.
#[derive(Debug, Clone)]
pub struct Screen {
    /// Absent where standard error is no terminal.
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A bar where standard error is a terminal, only lines elsewhere.
    pub fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{elapsed_precise} [{wide_bar}] {pos}/{len} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar }
    }

    /// The bar, if there is one.
    pub fn bar(&self) -> Option<&ProgressBar> {
        self.bar.as_ref()
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        self.write(&(visible(&hanging(text)) + "\n"));
    }

    /// Writes whole lines, in which nothing steers the terminal, in one go: the lines of two agents never mix.
    pub fn write(&self, lines: &str) {
        let write = || {
            // Nobody is left to be told that standard error can't be written.
            let _ = io::stderr().lock().write_all(lines.as_bytes());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
