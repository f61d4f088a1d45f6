//! What differs between courses of the same work, drawn.
//!
//! - [`svg`]: how long tasks waited, who got them, and how many were ready, as one picture. [`page`]: the same with
//!   words around it, as a page that needs nothing else.
//! - `axis`: ticks that read well as lengths of time.
//!
//! The picture has a light ground of its own, so that it reads the same in light and dark viewers, and colours that
//! people who see few of them can tell apart. The same courses give the same bytes.

mod axis;
mod panel;

use std::fmt::Write as _;

use plotters::prelude::{DrawingAreaErrorKind, IntoDrawingArea, RGBColor, SVGBackend, WHITE};
use plotters::style::IntoFont;

use taskhost_wire::steers;

use crate::course::Course;
use panel::Drawn;

/// A picture couldn't be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the picture can't be drawn: {0}")]
pub struct PictureError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PictureError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// In pixels.
const WIDTH: u32 = 1000;
const HEIGHT: u32 = 1160;

/// Of the history, and of what was replayed.
const RECORDED: RGBColor = RGBColor(0xb0, 0xb0, 0xb0);
const REPLAYED: [RGBColor; 2] = [RGBColor(0x00, 0x72, 0xb2), RGBColor(0xd5, 0x5e, 0x00)];

/// Draws the history as it was `recorded`, and what was `replayed`, each with its name.
///
/// # Errors
///
/// If the drawing fails, which it doesn't for lack of anything outside.
pub fn svg(recorded: &Course, replayed: &[(&str, &Course)]) -> Result<String, PictureError> {
    let mut lines =
        vec![Drawn { name: "as recorded", course: recorded, color: RECORDED, width: 6 }];
    let colors = REPLAYED.into_iter().cycle();
    let drawn = replayed.iter().zip(colors);
    lines.extend(drawn.map(|((name, course), color)| Drawn { name, course, color, width: 2 }));
    // Of two policies, they; of one, what it did and what was.
    let shares = &lines[lines.len().saturating_sub(2)..];
    let mut picture = String::new();
    {
        let root = SVGBackend::with_string(&mut picture, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let font = ("sans-serif", 22).into_font();
        let root = root.titled("The same work, decided differently", font)?;
        let rows = root.split_evenly((3, 1));
        panel::waits(&rows[0], &lines)?;
        let sides = rows[1].split_evenly((1, shares.len().max(1)));
        for (side, drawn) in sides.iter().zip(shares) {
            panel::shares(side, drawn, shares)?;
        }
        panel::ready(&rows[2], &lines)?;
        root.present()?;
    }
    Ok(titled(&picture))
}

/// The picture with a title for those who have it read to them.
fn titled(picture: &str) -> String {
    let title =
        "<title>Waiting times, shares of agents, and ready tasks of replayed histories</title>";
    picture.replacen(">\n", &format!(" role=\"img\">\n{title}\n"), 1)
}

/// A page with `text`, whose columns stay where they are, and the picture.
pub fn page(title: &str, text: &str, picture: &str) -> String {
    let (title, text) = (escaped(title), escaped(text));
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n:root {{ color-scheme: light dark }}\nbody {{ margin: 2rem auto; max-width: 1000px; \
         padding: 0 1rem; font-family: sans-serif }}\npre {{ overflow-x: auto; white-space: pre-wrap }}\n\
         svg {{ max-width: 100%; height: auto }}\n</style>\n<h1>{title}</h1>\n{picture}\n<pre>{text}</pre>\n</html>\n"
    );
    page
}

/// As text in a page. What agents wrote mustn't turn the direction of what stands beside it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if steers(c) => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}
