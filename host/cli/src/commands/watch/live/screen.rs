//! The terminal, taken over for as long as this lives and given back as it was, however that ends.

use std::io;

use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::backend::Backend as _;

/// The terminal while it is taken over.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal over.
    pub fn new() -> Result<Self> {
        // A panic gives it back too, before it is told.
        let taken = ratatui::try_init();
        if taken.is_err() {
            // It may have got half of the way.
            let _ = ratatui::try_restore();
        }
        Ok(Self(taken.context("the terminal can't be drawn on")?))
    }

    /// What is drawn on.
    pub fn terminal(&mut self) -> &mut DefaultTerminal {
        &mut self.0
    }

    /// Forgets what stands there, so that the next picture is drawn whole. The cursor isn't asked where it is, as
    /// `Terminal::clear` does: not every terminal answers.
    pub fn forget(&mut self) -> io::Result<()> {
        self.0.backend_mut().clear()?;
        self.0.swap_buffers();
        Ok(())
    }

    /// Gives the terminal back, stops this process as Ctrl-Z does others, and takes it over once it is to go on.
    pub fn suspend(&mut self) -> Result<()> {
        give_back(&mut self.0);
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        *self = Self::new()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&mut self.0);
    }
}

fn give_back(terminal: &mut DefaultTerminal) {
    // A terminal that is gone needs nothing any more.
    let _: io::Result<()> = terminal.show_cursor();
    let _: io::Result<()> = ratatui::try_restore();
}
