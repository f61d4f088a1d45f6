//! The whole board: how many tasks stand where, the charts, the lists and the events.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use taskhost::domain::Counts;
use taskhost::{Millis, Status};

use super::{Palette, charts, clock, rule};
use crate::commands::watch::live::model::{Model, Pane};
use crate::commands::watch::live::reader::Happened;
use crate::commands::watch::live::rows::{List, Row};
use crate::commands::watch::live::text::{age, cut, cut_id, left, number, right, width};

/// From these on there is room for higher charts, and for the events beside the lists.
const TALL_ROWS: u16 = 36;
const WIDE_COLUMNS: u16 = 150;
/// The rows above and below the panes that aren't the charts': the head, the counts and the foot.
const OTHER_ROWS: u16 = 3;
/// The columns of a time, and of a lease.
const AGE: usize = 5;
const LEASE: usize = 6;
/// The columns of a priority.
const PRIORITY: usize = 5;
/// The columns of most ids, as `deploy_1a2b3c4d`.
const ID_USUAL: usize = 15;
/// The columns of a type.
const TYPE: usize = 12;
/// Where a pane has so many columns, a task's type stands beside what else there is to say.
const ROOMY: usize = 60;

/// Where each part of the board is.
struct Places {
    counts: Rect,
    charts: Rect,
    panes: [Rect; 5],
}

impl Places {
    fn in_body(area: Rect) -> Self {
        let chart_rows = if area.height + 2 >= TALL_ROWS { charts::TALL } else { 1 };
        let [counts, charts, rest] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(chart_rows),
            Constraint::Fill(1),
        ])
        .areas(area);
        let (lists, events) = if area.width >= WIDE_COLUMNS {
            let [lists, _, events] = Layout::horizontal([
                Constraint::Fill(3),
                Constraint::Length(1),
                Constraint::Fill(2),
            ])
            .areas(rest);
            (lists, events)
        } else {
            let [lists, events] =
                Layout::vertical([Constraint::Fill(5), Constraint::Fill(2)]).areas(rest);
            (lists, events)
        };
        let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1);
        let [one, two] = halves.areas(lists);
        let rows = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]);
        let ([ready, waiting], [held, parked]) = (rows.areas(one), rows.areas(two));
        Self { counts, charts, panes: [ready, held, waiting, parked, events] }
    }
}

/// How many rows the pane that one is in shows on a screen of this size.
pub fn page(model: &Model, screen: Rect) -> usize {
    let rows = screen.height.saturating_sub(OTHER_ROWS - 1);
    let places = Places::in_body(Rect { height: rows, ..screen });
    usize::from(places.panes[model.pane as usize].height.saturating_sub(1))
}

/// Draws all of it.
pub fn draw(frame: &mut Frame, model: &Model, now: Millis, palette: Palette, area: Rect) {
    let places = Places::in_body(area);
    let Some(picture) = &model.picture else {
        frame.render_widget(Line::from(" reading the board…"), places.counts);
        return;
    };
    frame.render_widget(counts(&picture.counts, usize::from(area.width)), places.counts);
    charts::draw(frame, model, now, palette, places.charts);
    for pane in Pane::ALL {
        let drawn = Drawn { model, pane, now, palette, area: places.panes[pane as usize] };
        drawn.draw(frame);
    }
}

/// How many tasks have which status, in words as long as there is room for.
fn counts(counts: &Counts, columns: usize) -> Line<'static> {
    let long = |status: Status| status.as_str().replace('_', " ");
    let short = |status: Status| {
        match status {
            Status::InProgress => "held",
            Status::InReview => "review",
            Status::Completed => "done",
            other => other.as_str(),
        }
        .to_owned()
    };
    let written = |word: &dyn Fn(Status) -> String, gap: &str| {
        let shown = Status::ALL.iter().filter(|status| counts.of(**status) > 0);
        let shown = shown.map(|status| format!("{} {}", word(*status), number(counts.of(*status))));
        let shown = [format!(" {} tasks:", number(counts.total()))].into_iter().chain(shown);
        shown.collect::<Vec<_>>().join(gap)
    };
    let texts = [written(&long, "  "), written(&short, "  "), written(&short, " ")];
    let fits = texts.iter().find(|text| width(text) <= columns);
    Line::from(cut(fits.unwrap_or(&texts[2]), columns))
}

/// A pane, and where it is drawn.
struct Drawn<'a> {
    model: &'a Model,
    pane: Pane,
    now: Millis,
    palette: Palette,
    area: Rect,
}

impl Drawn<'_> {
    fn draw(&self, frame: &mut Frame) {
        let rows = usize::from(self.area.height.saturating_sub(1));
        let (len, more) = match self.pane.list() {
            Some(list) => (self.model.rows(list).len(), self.more(list)),
            None => (self.model.events().len(), None),
        };
        let lines = len + usize::from(more.is_some());
        let row = self.model.cursors[self.pane as usize].row;
        // The cursor stays in the middle, where the list goes on in both directions.
        let first = row.saturating_sub(rows / 2).min(lines.saturating_sub(rows));
        let shown = first..len.min(first + rows);
        let mut text = match self.pane.list() {
            Some(list) => self.tasks(list, &self.model.rows(list)[shown.clone()]),
            None => self.events(&self.model.events()[shown.clone()]),
        };
        if let Some(line) = text.get_mut(row.wrapping_sub(first)).filter(|_| self.is_in()) {
            let marked = line.spans.iter().map(|span| span.content.as_ref()).collect::<String>();
            let marked = marked.replacen(' ', "›", 1);
            *line = Line::styled(marked, Modifier::REVERSED);
        }
        text.extend(more.filter(|_| shown.end == len).map(Line::from));
        if len == 0 {
            text.push(Line::from(self.nothing()));
        }
        frame.render_widget(Paragraph::new(text).block(self.block()), self.area);
    }

    fn is_in(&self) -> bool {
        self.model.pane == self.pane
    }

    fn block(&self) -> ratatui::widgets::Block<'static> {
        let name = match self.pane {
            Pane::Ready => "ready",
            Pane::Held => "held",
            Pane::Waiting => "waiting",
            Pane::Parked => "blocked/review",
            Pane::Events => "events",
        };
        let count = self.pane.list().map(|list| self.count(list)).unwrap_or_default();
        let title = format!(" {} {name}{count} ", self.pane as usize + 1);
        let style = if self.is_in() { Modifier::REVERSED | Modifier::BOLD } else { Modifier::BOLD };
        let columns = match self.pane {
            Pane::Ready => right("prio", PRIORITY) + &right("age", AGE),
            Pane::Waiting => right("age", AGE),
            Pane::Held => right("for", AGE) + &right("lease", LEASE),
            Pane::Parked => right("for", AGE),
            Pane::Events => String::new(),
        };
        let columns = format!(" {} ", columns.trim_start());
        let columns = if columns.trim().is_empty() { String::new() } else { columns };
        rule(Line::styled(title, style)).title(Line::from(columns).right_aligned())
    }

    /// How many tasks are in a list, those that aren't shown too.
    fn all(&self, list: List) -> Option<u64> {
        let counts = &self.model.picture.as_ref()?.counts;
        self.model.filter.is_empty().then_some(match list {
            List::Ready => counts.ready,
            List::Held => counts.of(Status::InProgress),
            List::Waiting => counts.of(Status::Pending).saturating_sub(counts.ready),
            List::Parked => counts.of(Status::Blocked) + counts.of(Status::InReview),
        })
    }

    fn count(&self, list: List) -> String {
        let rows = self.model.rows(list).len() as u64;
        match self.all(list) {
            Some(all) => format!(" {}", number(all)),
            None if self.has_more(list) => format!(" {}+", number(rows)),
            None => format!(" {}", number(rows)),
        }
    }

    fn has_more(&self, list: List) -> bool {
        let picture = self.model.picture.as_ref();
        picture.is_some_and(|picture| picture.lists[list as usize].has_more)
    }

    /// What is said below the last row that is known, if there are more.
    fn more(&self, list: List) -> Option<String> {
        let shown = self.model.rows(list).len() as u64;
        self.has_more(list).then(|| match self.all(list) {
            Some(all) => format!("  … {} more: / finds them", number(all.saturating_sub(shown))),
            None => "  … and more".into(),
        })
    }

    fn nothing(&self) -> &'static str {
        match self.pane {
            _ if !self.model.filter.is_empty() => "  none with this text",
            // The counts are of a moment later than the lists.
            _ if self.pane.list().and_then(|list| self.all(list)).is_some_and(|all| all > 0) => {
                "  just changed"
            }
            Pane::Ready => "  nothing is ready",
            Pane::Held => "  nobody holds anything",
            Pane::Waiting => "  nothing waits",
            Pane::Parked => "  nothing is blocked or in review",
            Pane::Events => "  nothing has happened lately",
        }
    }

    fn tasks(&self, list: List, rows: &[std::sync::Arc<Row>]) -> Vec<Line<'static>> {
        let columns = usize::from(self.area.width);
        let times = match list {
            List::Ready => PRIORITY + AGE,
            List::Held => AGE + LEASE,
            List::Waiting | List::Parked => AGE,
        };
        // A column for the cursor, one behind the id, and one at the end.
        let room = columns.saturating_sub(times + 3);
        let longest = rows.iter().map(|row| width(row.id.as_str())).max().unwrap_or_default();
        // What a task was asked, or waits for, is worth more room than the whole of a long id.
        let most = match list {
            List::Ready | List::Held => room * 3 / 5,
            List::Waiting | List::Parked => (room * 2 / 5).max(ID_USUAL).min(room),
        };
        let id_columns = longest.clamp(8.min(most), most);
        let line = |row: &Row| {
            let id = left(&cut_id(row.id.as_str(), id_columns), id_columns);
            let (text, style) = self.second(list, row);
            let text = left(&text, room - id_columns);
            Line::from(vec![
                Span::raw(format!(" {id} ")),
                Span::styled(text, style),
                Span::raw(self.times(list, row) + " "),
            ])
        };
        rows.iter().map(|row| line(row)).collect()
    }

    /// What there is to say of a task besides its id, and how it looks.
    fn second(&self, list: List, row: &Row) -> (String, Style) {
        let is_roomy = usize::from(self.area.width) >= ROOMY;
        let task_type = if is_roomy { left(&row.task_type, TYPE) + " " } else { String::new() };
        match list {
            List::Ready if row.more.is_empty() => (row.task_type.clone(), self.palette.good()),
            List::Ready => (task_type + &row.more, self.palette.good()),
            List::Held => (task_type + &row.word, self.palette.busy()),
            List::Waiting => match row.until {
                Some(at) if at > self.now => {
                    let text = format!("its time in {}, {}", age(at.0 - self.now.0), clock(at));
                    (text, Style::new())
                }
                _ => (format!("for {}", row.more), Style::new()),
            },
            List::Parked => (row.word.clone(), self.palette.asks()),
        }
    }

    fn times(&self, list: List, row: &Row) -> String {
        let since = right(&age(self.now.0.saturating_sub(row.since.0)), AGE);
        match (list, row.until) {
            (List::Ready, _) if row.priority == 0 => right("", PRIORITY) + &since,
            (List::Ready, _) => right(&row.priority.to_string(), PRIORITY) + &since,
            (List::Held, Some(until)) if until <= self.now => since + &right("over", LEASE),
            (List::Held, Some(until)) => since + &right(&age(until.0 - self.now.0), LEASE),
            (List::Held, None) => since + &right("", LEASE),
            _ => since,
        }
    }

    fn events(&self, events: &[std::sync::Arc<Happened>]) -> Vec<Line<'static>> {
        const WHO_MAX: usize = 12;
        const WHAT: usize = 10;
        let longest = |of: fn(&Happened) -> usize| {
            events.iter().map(|event| of(event)).max().unwrap_or_default()
        };
        let who = longest(|event| width(&event.who)).min(WHO_MAX);
        // The cursor's column, the time, and what is between them.
        let room = usize::from(self.area.width).saturating_sub(1 + 8 + 1 + who + 1 + WHAT + 1 + 1);
        let id = longest(|event| event.task.as_ref().map_or(0, |id| width(id.as_str())));
        let id = id.min(room * 3 / 5);
        let line = |event: &Happened| {
            let task = event.task.as_ref().map_or("", |id| id.as_str());
            let time = event.time.get(11..19).unwrap_or_default();
            Line::from(vec![
                Span::raw(format!(" {time} {} ", left(&event.who, who))),
                Span::styled(left(&event.what, WHAT), self.palette.event(&event.what)),
                Span::raw(format!(" {} ", left(&cut_id(task, id), id))),
                Span::raw(left(&event.more, room.saturating_sub(id))),
            ])
        };
        events.iter().map(|event| line(event)).collect()
    }
}
