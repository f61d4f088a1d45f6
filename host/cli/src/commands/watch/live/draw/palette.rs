//! The few colours, and none where `NO_COLOR` says so.

use ratatui::style::{Color, Style};

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    has_colours: bool,
}

impl Palette {
    /// As the environment says: no colours if `NO_COLOR` is there and not empty.
    pub fn of_environment() -> Self {
        Self { has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// Without colours.
    pub fn plain() -> Self {
        Self { has_colours: false }
    }

    /// With colours.
    #[cfg(test)]
    pub fn coloured() -> Self {
        Self { has_colours: true }
    }

    fn of(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// What went well, or can go on.
    pub fn good(self) -> Style {
        self.of(Color::Green)
    }

    /// What somebody works on.
    pub fn busy(self) -> Style {
        self.of(Color::Cyan)
    }

    /// What somebody has to look after.
    pub fn asks(self) -> Style {
        self.of(Color::Magenta)
    }

    /// What went wrong.
    pub fn bad(self) -> Style {
        self.of(Color::Red)
    }

    /// The colour of an event, by its word.
    pub fn event(self, what: &str) -> Style {
        match what {
            "completed" | "accepted" => self.good(),
            "claimed" => self.busy(),
            "failed" | "recovered" | "fell_back" => self.bad(),
            "blocked" | "in_review" | "retried" | "sent_back" => self.asks(),
            _ => Style::new(),
        }
    }
}
