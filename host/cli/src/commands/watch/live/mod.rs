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

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use taskhost::Board;

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
    let model = Model::new(text::tame(&context.board.to_string()));
    let feed = Feed::start(board.clone(), context.board.clone());
    is_shown.store(true, Ordering::Relaxed);
    let shown = show(&board, &feed, model, &stop);
    drop(feed);
    is_shown.store(false, Ordering::Relaxed);
    shown.map(|()| Code::Done)
}

fn show(board: &Board, feed: &Feed, mut model: Model, stop: &AtomicBool) -> Result<()> {
    let mut screen = Screen::new()?;
    let (palette, mut wish) = (Palette::of_environment(), Wish::default());
    while !stop.load(Ordering::Relaxed) {
        let drawn = Instant::now();
        let fitted = screen.terminal().draw(|frame| {
            draw::fit(&mut model, frame.area());
            draw::draw(frame, &model, board.now(), palette);
        });
        fitted.context("the terminal can't be drawn on")?;
        match wait(feed, &mut model, drawn + TICK, stop)? {
            Next::Stay => {}
            Next::Redraw => screen.forget()?,
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
    let mut is_gone = hung_up(Duration::ZERO)?;
    while !stop.load(Ordering::Relaxed) && !is_gone {
        let is_new = read(feed, model)?;
        match typed(model)? {
            Some(next) => return Ok(next),
            None if is_new || Instant::now() >= until => return Ok(Next::Stay),
            None => {}
        }
        is_gone = hung_up(until.saturating_duration_since(Instant::now()).min(LOOK_UP))?;
    }
    Ok(Next::Quit)
}

/// Waits for a key or a signal, no longer than `at_most`; whether the terminal is gone. The library that reads the keys
/// never comes to an end of a terminal that has hung up, so it is asked only where there is one.
fn hung_up(at_most: Duration) -> Result<bool> {
    let stdin = io::stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let at_most = Timespec::try_from(at_most).context("the time can't be waited for")?;
    match poll(&mut terminal, Some(&at_most)) {
        Ok(_) => Ok(terminal[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)),
        // A signal: the screen has another size, or somebody wants an end.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error).context("the terminal can't be read"),
    }
}

/// Does what the keys say that were typed; nothing if none was.
fn typed(model: &mut Model) -> Result<Option<Next>> {
    let mut next = None;
    while event::poll(Duration::ZERO).context("the terminal can't be read")? {
        next = match event::read().context("the terminal can't be read")? {
            Event::Key(key) => Some(keys::press(model, key)),
            _ => next.or(Some(Next::Stay)),
        };
        if next != Some(Next::Stay) {
            break;
        }
    }
    Ok(next)
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
