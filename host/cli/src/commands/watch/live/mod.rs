//! The board live in a terminal.
//!
//! - [`feed`]: reads the board beside the view; [`reader`], [`rows`], [`charts`], [`opened`]: what it reads, and how little of it.
//! - [`model`]: what is shown; [`keys`]: what a key does to it; [`draw`]: how it looks. None of them reads or prints anything.
//! - [`screen`]: the terminal, which is always given back; [`text`]: what fits.

mod charts;
mod draw;
mod feed;
mod keys;
mod model;
mod opened;
mod reader;
mod rows;
mod screen;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::draw::Palette;
use self::feed::{Feed, Wish};
use self::keys::Next;
use self::model::Model;
use self::screen::Screen;
use crate::context::Context;
use crate::exit::Code;

/// How long a key is waited for before what was read is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How often it is drawn while nothing comes, because time passes.
const TICK: Duration = Duration::from_secs(1);

/// Shows the board until somebody quits.
pub fn exec(context: &Context) -> Result<Code> {
    let is_shown = Arc::new(AtomicBool::new(false));
    let board = context.open_for_screen(is_shown.clone())?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, stop.clone()).context("signals can't be heard")?;
    }
    let model = Model::new(text::tame(&context.board.to_string_lossy()));
    let feed = Feed::start(board);
    is_shown.store(true, Ordering::Relaxed);
    let shown = show(&feed, model, &stop);
    drop(feed);
    is_shown.store(false, Ordering::Relaxed);
    shown.map(|()| Code::Done)
}

fn show(feed: &Feed, mut model: Model, stop: &AtomicBool) -> Result<()> {
    let mut screen = Screen::new()?;
    let (palette, mut wish) = (Palette::of_environment(), Wish::default());
    while !stop.load(Ordering::Relaxed) {
        let drawn = Instant::now();
        let fitted = screen.terminal().draw(|frame| {
            draw::fit(&mut model, frame.area());
            draw::draw(frame, &model, model::now(), palette);
        });
        fitted.context("the terminal can't be drawn on")?;
        match wait(feed, &mut model, drawn + TICK, stop)? {
            Next::Stay => {}
            Next::Redraw => screen.terminal().clear()?,
            Next::Suspend => screen.suspend()?,
            Next::Quit => return Ok(()),
        }
        if model.wish() != wish {
            wish = model.wish();
            feed.wish(wish.clone());
        }
    }
    Ok(())
}

/// Waits until there is something to be drawn, no longer than `until`.
fn wait(feed: &Feed, model: &mut Model, until: Instant, stop: &AtomicBool) -> Result<Next> {
    while !stop.load(Ordering::Relaxed) {
        let is_new = read(feed, model)?;
        let left = until.saturating_duration_since(Instant::now());
        let at_most = if is_new { Duration::ZERO } else { left.min(LOOK_UP) };
        if !event::poll(at_most).context("the terminal can't be read")? {
            if is_new || left.is_zero() {
                return Ok(Next::Stay);
            }
            continue;
        }
        match event::read().context("the terminal can't be read")? {
            Event::Key(key) => return Ok(keys::press(model, key)),
            Event::Resize(..) => return Ok(Next::Stay),
            _ => {}
        }
    }
    Ok(Next::Quit)
}

/// Takes over what was read of the board; whether there was anything.
fn read(feed: &Feed, model: &mut Model) -> Result<bool> {
    let mut is_new = false;
    loop {
        match feed.updates.try_recv() {
            Ok(update) => model.take(update)?,
            Err(TryRecvError::Empty) => return Ok(is_new),
            Err(TryRecvError::Disconnected) => bail!("what reads the board has stopped"),
        }
        is_new = true;
    }
}
