//! The view as it looks on screens of several sizes, with few and with very many tasks.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use taskhost::domain::{Command, Request};
use taskhost::{Change, Entry, Millis, Name, Readiness, Status, Task, TaskId};
use taskhost_answers::sample;

use super::*;
use crate::commands::watch::live::charts::Counting;
use crate::commands::watch::live::feed::{Extent, Update};
use crate::commands::watch::live::model::{Model, Pane};
use crate::commands::watch::live::opened::Opened;
use crate::commands::watch::live::reader::{Happened, Picture, Rows};
use crate::commands::watch::live::rows::{List, ROWS_MAX, Shelves};
use crate::commands::watch::live::text::{number, tame, width};

/// Twenty minutes after everything.
const NOW: Millis = Millis(1_200_000);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// One of very many tasks, in all kinds of states.
fn task(born: u64) -> Task {
    let id = match born % 10 {
        3 => format!("integration-of-the-whole-pipeline-with-a-very-long-name_{born:08x}"),
        _ => format!("build_{born:08x}"),
    };
    let mut task = Task { born, id: TaskId::new(id).unwrap(), ..sample::task() };
    let (status, readiness) = match born % 10 {
        0..=3 => (Status::Pending, Readiness::Ready(0)),
        4 | 5 => {
            let on = (1..=5).map(|n| TaskId::new(format!("parse_{n}")).unwrap()).collect();
            (Status::Pending, Readiness::Waiting { on, why: None })
        }
        6 => (Status::InProgress, Readiness::Ready(0)),
        7 => (Status::Blocked, Readiness::Unasked),
        8 => (Status::InReview, Readiness::Unasked),
        _ => (Status::Completed, Readiness::Unasked),
    };
    (task.status, task.readiness) = (status, readiness);
    match task.status {
        Status::InProgress => {
            let claim = task.claim.as_mut().unwrap();
            claim.agent = name("zoë-日本語-of-the-night-shift");
            claim.lease.until = Millis(if born % 20 == 6 { 0 } else { NOW.0 + 90_000 });
        }
        Status::Blocked => {
            task.claim = None;
            task.reason = Some("which one,\n\u{1b}[2J日本語のエラー or a tree of errors?".into());
        }
        _ => task.claim = None,
    }
    task
}

/// What a board of `count` tasks looks like.
fn model(count: u64) -> Model {
    let (mut shelves, mut picture, mut counting) =
        (Shelves::default(), Picture::default(), Counting::default());
    for born in 0..count {
        let task = task(born);
        shelves.put(&task);
        picture.counts.by_status[task.status as usize] += 1;
        picture.counts.ready += u64::from(task.ready_rank().is_some());
        let claim = Box::new(sample::claim());
        for (time, change) in [
            (
                born % 1_000,
                Change::Answered { id: task.id.clone(), readiness: Readiness::Ready(0) },
            ),
            (600_000 + born % 1_000, Change::Claimed { id: task.id.clone(), claim }),
            (900_000 + born % 1_000, Change::Accepted { id: task.id.clone(), reason: None }),
        ] {
            let request = Request::of(Command::Upkeep);
            let changes = vec![change];
            counting.count(&Entry { time: Millis(time), request, seed: 0, changes });
        }
    }
    picture.lists = List::ALL.map(|list| {
        let (rows, has_more) = shelves.rows(list);
        Rows { rows, has_more }
    });
    picture.charts = counting.charts;
    let event = |part: usize| Happened {
        place: (count, part),
        time: "1970-01-01T00:20:00.000Z".into(),
        who: "zoë-日本語-of-the-night-shift".into(),
        what: "completed".into(),
        task: Some(task(part as u64).id),
        more: "result={\"files\":12}".into(),
    };
    picture.events =
        (0..usize::try_from(count).unwrap().min(200)).map(|part| event(part).into()).collect();
    let mut model = Model::new("work/.taskhost".into());
    model.take(Update::Picture(Box::new(picture))).unwrap();
    model
}

fn drawn(model: &mut Model, columns: u16, rows: u16, palette: Palette) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let draw = |frame: &mut Frame| {
        fit(model, frame.area());
        draw(frame, model, NOW, palette);
    };
    terminal.draw(draw).unwrap().buffer.clone()
}

/// The rows of a screen, as text.
fn lines(buffer: &Buffer) -> Vec<String> {
    let Rect { width, height, .. } = buffer.area;
    let line = |y: u16| {
        let (mut text, mut x) = (String::new(), 0);
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            // What is wide takes up the next cell too.
            x += u16::try_from(self::width(symbol)).unwrap().max(1);
        }
        text.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

#[track_caller]
fn has(lines: &[String], text: &str) {
    assert!(lines.iter().any(|line| line.contains(text)), "`{text}` in:\n{}", lines.join("\n"));
}

#[test]
fn small_board_fits_a_usual_terminal() {
    let lines = lines(&drawn(&mut model(10), 80, 24, Palette::coloured()));
    assert_eq!(lines.len(), 24);
    has(&lines, " taskhost  work/.taskhost                                          00:20:00 UTC");
    has(&lines, " 10 tasks:  pending 6  in progress 1  in review 1  blocked 1  completed 1");
    for text in [
        "1 ready 4",
        "2 held 1",
        "3 waiting 2",
        "4 blocked/review 2",
        "5 events",
        "›build_00000000",
        "finished/1m",
        "max 10",
        "waited/1m",
        "max 10m",
        "for parse_1 parse",
        "in review",
        "which one, \\u{1b",
        "zoë-日本",
        " over",
        "completed",
        "q quit",
    ] {
        has(&lines, text);
    }
}

#[test]
fn large_board_says_how_much_there_is_and_lists_no_more_than_fits() {
    let mut model = model(10_000);
    for (columns, rows) in [(80, 24), (200, 50), (60, 16)] {
        let lines = lines(&drawn(&mut model, columns, rows, Palette::coloured()));
        has(&lines, "10,000 tasks");
        for text in ["1 ready 4,000", "2 held 1,000", "3 waiting 2,000", "blocked/review 2,000"] {
            has(&lines, text);
        }
        assert!(lines.iter().all(|line| width(line) <= usize::from(columns)));
    }
    // At the end of what is listed, it is said that there is more.
    model.step_by(isize::MAX / 2);
    let lines = lines(&drawn(&mut model, 80, 24, Palette::coloured()));
    has(&lines, &format!("… {} more: / finds them", number(4_000 - ROWS_MAX as u64)));
}

#[test]
fn wide_terminal_has_the_events_beside_the_lists_and_charts_with_words() {
    let lines = lines(&drawn(&mut model(10_000), 200, 50, Palette::coloured()));
    let title = lines.iter().find(|line| line.contains("1 ready")).unwrap();
    assert!(title.contains("2 held") && title.contains("5 events"), "{title}");
    has(&lines, "tasks completed or failed, per 1m, at most 10,000");
    has(&lines, "time from ready to claimed, on average, per 1m, at most 10m");
    // Where there is room, an id is whole.
    has(&lines, "build_0000000a");
}

// What an agent wrote cleared the screen of whoever watched.
// "held 2" stood above "nobody holds anything", where claims were shorter than the time between two looks.
#[test]
fn list_that_is_behind_its_count_does_not_contradict_it() {
    let mut picture = Picture::default();
    picture.counts.by_status[Status::InProgress as usize] = 2;
    let mut model = Model::new("work/.taskhost".into());
    model.take(Update::Picture(Box::new(picture))).unwrap();
    let lines = lines(&drawn(&mut model, 80, 24, Palette::coloured()));
    has(&lines, "2 held 2");
    has(&lines, "just changed");
    has(&lines, "nothing is ready");
}

#[test]
fn nothing_that_others_wrote_steers_the_terminal() {
    let mut model = model(10);
    let steering = "\u{1b}]0;owned\u{7}\u{202e}x\u{9b}31m".to_owned();
    let known =
        Opened { fields: vec![crate::output::visible(&steering)], why: vec!["because".into()] };
    model.board = tame(&steering);
    let screens = [drawn(&mut model, 80, 24, Palette::coloured()), {
        let id = task(0).id;
        model.open(id.clone());
        model.take(Update::Opened(id, Box::new(known))).unwrap();
        drawn(&mut model, 80, 24, Palette::coloured())
    }];
    for line in screens.iter().flat_map(lines) {
        assert_eq!(line.chars().find(|c| wire::steers(*c)), None, "{line:?}");
    }
}

#[test]
fn screen_of_any_size_is_drawn_and_one_that_is_too_small_says_so() {
    let mut model = model(300);
    for columns in [1, 2, 10, 59, 60, 79, 149, 150, 400] {
        for rows in [1, 2, 15, 16, 35, 36, 200] {
            for pane in Pane::ALL {
                model.pane = pane;
                drawn(&mut model, columns, rows, Palette::plain());
            }
        }
    }
    let lines = lines(&drawn(&mut model, 40, 10, Palette::plain()));
    has(&lines, "this needs 60");
}

#[test]
fn colours_are_the_few_that_can_be_read_on_any_ground_and_none_if_none_are_wanted() {
    let may = [Color::Reset, Color::Green, Color::Cyan, Color::Magenta, Color::Red];
    for cell in drawn(&mut model(100), 200, 50, Palette::coloured()).content() {
        assert!(may.contains(&cell.fg) && cell.bg == Color::Reset, "{cell:?}");
        assert!(!cell.modifier.contains(Modifier::DIM));
    }
    let plain = drawn(&mut model(100), 200, 50, Palette::plain());
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let coloured = drawn(&mut model(100), 200, 50, Palette::coloured());
    assert_eq!(lines(&plain), lines(&coloured), "no word is said by a colour alone");
}

#[test]
fn task_shows_what_is_known_of_it_and_scrolls_to_its_end_and_no_further() {
    let mut model = model(10);
    let id = task(0).id;
    model.open(id.clone());
    has(&lines(&drawn(&mut model, 80, 24, Palette::plain())), "reading…");
    let long = format!("data         {}", "日本語 ".repeat(40));
    let known = Opened { fields: vec!["type         build".into(), long], why: vec!["why".into()] };
    model.take(Update::Opened(id.clone(), Box::new(known))).unwrap();
    has(&lines(&drawn(&mut model, 80, 24, Palette::plain())), "reading the history…");
    let happened = |n: u64| ((n, 0), format!("{n}  1970-01-01T00:00:00.000Z  ada  claimed  b"));
    let history = (1..=60).map(happened).collect();
    model.take(Update::History(id.clone(), history, Extent::Whole)).unwrap();
    // What came meanwhile and was read twice stands there once.
    let news = [happened(60), happened(61)].into();
    model.take(Update::History(id, news, Extent::News)).unwrap();
    let first = lines(&drawn(&mut model, 80, 24, Palette::plain()));
    for text in ["type         build", "Can it be claimed?", "why", "the newest first", " 61  1970"]
    {
        has(&first, text);
    }
    let Front::Task(open) = &mut model.front else { panic!("it is open") };
    open.scroll = usize::MAX;
    let last = lines(&drawn(&mut model, 80, 24, Palette::plain()));
    assert!(last[22].starts_with(" 1  1970"), "{last:#?}");
    let Front::Task(open) = &model.front else { panic!("it is open") };
    assert!(open.scroll < 100, "so that the next key up moves at once");
    assert_eq!(open.history.len(), 61);
}

#[test]
fn help_names_every_key() {
    let mut model = model(10);
    model.is_help = true;
    let lines = lines(&drawn(&mut model, 80, 24, Palette::plain()));
    for (key, what) in HELP {
        has(&lines, key);
        has(&lines, what);
    }
}
