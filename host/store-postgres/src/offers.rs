//! Offering ready tasks in order, each to one transaction at a time.
//!
//! A transaction that changes something locks what it is offered, and passes over what others have (`SKIP LOCKED`), so
//! that claims run side by side. That there is nothing is only said when nobody has any either: what another one has now
//! it may give back.
//!
//! The cost is bounded by the limit, the rarest label and the number of classes that match: a list is read along the index
//! of its order if all classes match, or one; the heads of several are merged.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use taskhost_board::{Candidate, Order, OrderKey, ReadError, ReadyQuery, Task, TaskId};

use crate::desk::SERVED_MAX;
use crate::link::{Call, Param, Row};
use crate::rows::{Class, bigint, number, task_of};
use crate::shared::Classes;
use crate::sql;
use crate::tx::{Ahead, Offer, Seen, Tx, task_cell};

/// How far several lists are merged: more than as many others as are likely to be at it at once.
const MERGED: i64 = 64;

/// Of how many at most it is found out at once whether somebody has locked them by hand: each takes a place in the
/// server's table of locks, which all its databases share, until the transaction ends. Enough for all who are served together.
const LOCKED_MAX: usize = SERVED_MAX + 1;

/// Which list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// That of all ready tasks.
    All,
    /// That of one class.
    One,
    /// Those of several classes.
    Several,
    /// Those of several classes, among what has certain labels.
    Labelled,
}

/// Whether what is offered is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offered {
    ToTake,
    ToLookAt,
}

const SOURCES: [Source; 4] = [Source::All, Source::One, Source::Several, Source::Labelled];
const ORDERS: [Order; 3] = [Order::Rank, Order::Oldest, Order::Newest];
const OFFERED: [Offered; 2] = [Offered::ToTake, Offered::ToLookAt];

/// Every statement of this kind, in the order of its source, order and whether it locks.
static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for source in SOURCES {
        for order in ORDERS {
            all.extend(OFFERED.map(|offered| text(source, order, offered)));
        }
    }
    all
});

fn statement(source: Source, order: Order, offered: Offered) -> &'static str {
    let place = |found: Option<usize>| found.unwrap_or_default();
    let source = place(SOURCES.iter().position(|at| *at == source));
    let order = place(ORDERS.iter().position(|at| *at == order));
    let offered = place(OFFERED.iter().position(|at| *at == offered));
    &STATEMENTS[(source * ORDERS.len() + order) * OFFERED.len() + offered]
}

/// `$1` is how many, `$2` what they come after, `$3` what distinguishes this board's locks by hand; `$4` the class or the
/// classes, `$5` the labels.
fn text(source: Source, order: Order, offered: Offered) -> String {
    let (past, by) = match order {
        Order::Rank => ("r.place > $2::bytea", "r.place"),
        Order::Oldest => ("r.born > $2::bigint", "r.born"),
        Order::Newest => ("r.born < $2::bigint", "r.born DESC"),
    };
    let all_by = by.replace("r.", "h.");
    let mut text = String::new();
    let (from, also) = match source {
        Source::All => ("ready", format!("AND {past} ")),
        Source::One => ("ready", format!("AND r.class = $4 AND {past} ")),
        Source::Several => {
            let _ = write!(
                text,
                "WITH m AS MATERIALIZED (SELECT h.* FROM unnest($4::bigint[]) AS c (id) CROSS JOIN LATERAL \
                 (SELECT r.task, r.place, r.born FROM ready r WHERE r.class = c.id AND {past} ORDER BY {by} \
                 LIMIT {MERGED} + $1::bigint) h ORDER BY {all_by} LIMIT {MERGED} + $1::bigint) "
            );
            ("m", String::new())
        }
        Source::Labelled => {
            let _ = write!(
                text,
                "WITH l AS MATERIALIZED (SELECT * FROM ready WHERE labels @> $5::text[]), \
                 m AS MATERIALIZED (SELECT r.task, r.place, r.born FROM l r WHERE r.class = ANY ($4) AND {past} \
                 ORDER BY {by} LIMIT {MERGED} + $1::bigint) "
            );
            ("m", String::new())
        }
    };
    let tasks = format!(
        "SELECT t.id, t.body, t.data, t.result FROM {from} r JOIN tasks t ON t.id = r.task \
         WHERE t.rank IS NOT NULL {also}ORDER BY {by} LIMIT $1"
    );
    let _ = match offered {
        Offered::ToLookAt => write!(text, "{tasks} + 0 * $3::bigint"),
        Offered::ToTake => write!(
            text,
            "SELECT c.*, nextval('tokens') AS token, \
             CASE WHEN $1::bigint <= {LOCKED_MAX} \
             THEN pg_try_advisory_xact_lock_shared(hashtextextended(c.id, $3)) END AS free \
             FROM ({tasks} FOR NO KEY UPDATE OF t SKIP LOCKED) c"
        ),
    };
    text
}

/// What a transaction starts from together with the first of all ready tasks, for each order: `$4` to `$6` are what `$1` to
/// `$3` are for an offer by itself.
static OPENING: LazyLock<Vec<String>> = LazyLock::new(|| {
    let (before, behind) = sql::OPEN_AND_OFFER;
    let offer = |order| text(Source::All, order, Offered::ToTake);
    let moved = |text: String| text.replace("$1", "$4").replace("$2", "$5").replace("$3", "$6");
    ORDERS.map(|order| format!("{before}{}{behind}", moved(offer(order)))).into()
});

pub(crate) fn opening(order: Order) -> &'static str {
    let place = ORDERS.iter().position(|at| *at == order).unwrap_or_default();
    &OPENING[place]
}

/// A place, and the candidate there if it matches after all.
type Placed = (OrderKey, Option<Candidate>);

/// A query, as the statements take it.
struct Asked<'q> {
    query: &'q ReadyQuery,
    source: Source,
    classes: Vec<i64>,
    labels: Vec<&'q str>,
    place: Vec<u8>,
    born: i64,
}

impl<'q> Asked<'q> {
    /// `None` if no task can be among those asked for.
    fn of(
        tx: &mut Tx,
        query: &'q ReadyQuery,
        past: Option<OrderKey>,
    ) -> Result<Option<Self>, ReadError> {
        let filter = &query.filter;
        let known = tx.all_classes()?;
        let matches = |class: &Class| {
            (filter.types.is_empty() || filter.types.contains(&class.task_type))
                && class.needs.iter().all(|need| filter.capabilities.contains(need))
                && query.reserved.may_match(class.assignee.as_ref())
        };
        let classes: Vec<i64> =
            known.by_id.iter().filter(|(_, class)| matches(class)).map(|(id, _)| *id).collect();
        let source = match classes.len() {
            0 => return Ok(None),
            _ if !filter.labels.is_empty() => Source::Labelled,
            all if all == known.by_id.len() => Source::All,
            1 => Source::One,
            _ => Source::Several,
        };
        let bytes = past.map(OrderKey::to_bytes);
        let [_, born] = bytes.map_or([0, 0], halves);
        let born = match (query.order, past) {
            (Order::Rank, _) => 0,
            (Order::Oldest, None) => -1,
            (Order::Newest, None) => i64::MAX,
            (Order::Oldest, Some(_)) => bigint(born),
            (Order::Newest, Some(_)) => bigint(u64::MAX - born),
        };
        Ok(Some(Self {
            query,
            source,
            classes,
            labels: filter.labels.iter().map(taskhost_board::Name::as_str).collect(),
            place: bytes.map(Vec::from).unwrap_or_default(),
            born,
        }))
    }

    fn call<'a>(&'a self, offered: Offered, limit: &'a i64, seed: &'a i64) -> Call<'a> {
        let past: Param<'_> = match self.query.order {
            Order::Rank => &self.place,
            Order::Oldest | Order::Newest => &self.born,
        };
        let mut params: Vec<Param<'_>> = vec![limit, past, seed];
        match self.source {
            Source::All => {}
            Source::One => params.extend(self.classes.first().map(|id| id as Param<'_>)),
            Source::Several => params.push(&self.classes),
            Source::Labelled => params.extend([&self.classes as Param<'_>, &self.labels]),
        }
        Call::of(statement(self.source, self.query.order, offered), params)
    }
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let number = u128::from_be_bytes(bytes);
    [(number >> 64) as u64, number as u64]
}

impl Tx {
    /// The classes that there are, those of late too.
    pub(crate) fn all_classes(&mut self) -> Result<Arc<Classes>, ReadError> {
        let known = self.shared.classes();
        if known.last >= self.outset.classes {
            return Ok(known);
        }
        let rows = self.rows(Call::of(sql::CLASSES, vec![&known.last]))?;
        self.shared.learn_classes(&rows)?;
        Ok(self.shared.classes())
    }

    /// Ready tasks in the order asked for, those after `past`, at most `limit`.
    pub(crate) fn ready(
        &mut self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError> {
        if let Some(only) = &query.filter.only {
            self.take_over(std::slice::from_ref(only))?;
            self.look_at(std::slice::from_ref(only))?;
            let task = self.seen.get(only).and_then(|seen| seen.task.as_ref());
            let place = task.and_then(|task| Some((task, query.place(task)?)));
            let found = place.filter(|(_, place)| past.is_none_or(|past| *place > past));
            return Ok(found.map(|(task, place)| Candidate::of(task, place)).into_iter().collect());
        }
        // What those look for who are served beside the one that began is no sign of what is usual.
        if past.is_none() && self.lines.texts.is_empty() {
            self.shared.set_usual(query, self.asking.as_ref());
        }
        let mut found = Vec::new();
        let mut from = past;
        // What a class doesn't tell, such as for which machine a task is reserved, is seen when it is read.
        while found.len() < limit {
            let page = self.page(query, from, limit - found.len())?;
            let Some((last, _)) = page.last() else { break };
            from = Some(*last);
            found.extend(page.into_iter().filter_map(|(_, candidate)| candidate));
        }
        Ok(found)
    }

    /// Some of them: places, and the candidates at those that match after all.
    fn page(
        &mut self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Placed>, ReadError> {
        if past.is_none()
            && limit == 1
            && let Some(offered) = self.offer_ahead(query)?
        {
            return Ok(offered);
        }
        let limit = bigint(limit as u64);
        let Some(asked) = Asked::of(self, query, past)? else { return Ok(Vec::new()) };
        let seed = self.shared.hand_seed;
        if !self.is_changing() {
            let rows = self.rows(asked.call(Offered::ToLookAt, &limit, &seed))?;
            return self.offer(query, &rows);
        }
        let rows = self.rows(asked.call(Offered::ToTake, &limit, &seed))?;
        if rows.is_empty() {
            self.expect_none(&asked, &seed)?;
        }
        self.offer(query, &rows)
    }

    /// The first of what was read ahead that is still to be had, if this asks for the first of all.
    fn offer_ahead(&mut self, query: &ReadyQuery) -> Result<Option<Vec<Placed>>, ReadError> {
        let is_ahead = |ahead: &&Ahead| {
            ahead.order == query.order && is_for_all(&self.shared.classes(), query)
        };
        let Some(ahead) = self.ahead.as_ref().filter(is_ahead) else { return Ok(None) };
        let is_ready = |row: &&Row| {
            let id = TaskId::new(row.get::<_, &str>("id"));
            let seen = id.ok().and_then(|id| self.seen.get(&id));
            // One that was offered before may have been taken since, in this very transaction.
            seen.is_none_or(|seen| seen.task.as_ref().is_some_and(|t| t.ready_rank().is_some()))
        };
        let Some(row) = ahead.rows.iter().find(is_ready).cloned() else { return Ok(None) };
        self.offer(query, std::slice::from_ref(&row)).map(Some)
    }

    /// Reads one for each of so many more who will ask, if what was read ahead for the first one does for them too.
    pub(crate) fn read_ahead(&mut self, more: usize) -> Result<(), ReadError> {
        let Some(Ahead { order, rows }) = &self.ahead else { return Ok(()) };
        // What was decided already isn't written for this, and is among what is found once more.
        let wanted = more + self.lines.texts.len();
        if rows.len() >= wanted {
            return Ok(());
        }
        let (order, limit) = (*order, bigint(wanted as u64));
        let seed = self.shared.hand_seed;
        let params: Vec<Param<'_>> = vec![&limit, from_the_first(order), &seed];
        let rows = self
            .rows_as_they_are(Call::of(statement(Source::All, order, Offered::ToTake), params))?;
        self.ahead = Some(Ahead { order, rows });
        Ok(())
    }

    /// Gives up if there is something after all, which another transaction has just now.
    fn expect_none(&mut self, asked: &Asked<'_>, seed: &i64) -> Result<(), ReadError> {
        let limit = bigint(self.offers.len() as u64 + 1);
        let rows = self.rows(asked.call(Offered::ToLookAt, &limit, seed))?;
        for row in &rows {
            let task = task_of(row.get("body"), row.get("data"), row.get("result"))?;
            if !self.offers.contains_key(&task.id)
                && !self.seen.get(&task.id).is_some_and(|seen| seen.is_mine)
                && asked.query.place(&task).is_some()
            {
                self.lose([task_cell(&task.id)]);
                return Err(ReadError::Failed("another transaction has what was asked for".into()));
            }
        }
        Ok(())
    }

    fn offer(&mut self, query: &ReadyQuery, rows: &[Row]) -> Result<Vec<Placed>, ReadError> {
        let mut offered = Vec::new();
        for row in rows {
            let task = task_of(row.get("body"), row.get("data"), row.get("result"))?;
            let Some(rank) = task.ready_rank() else { continue };
            let place = OrderKey::new(query.order, rank, task.priority, task.born);
            let matches = query.place(&task).is_some();
            offered.push((place, matches.then(|| Candidate::of(&task, place))));
            if self.is_changing() {
                self.keep_offer(task, row);
            }
        }
        Ok(offered)
    }

    fn keep_offer(&mut self, task: Task, row: &Row) {
        let token = row.try_get("token").ok().map(number);
        let is_free = row.try_get("free").ok().flatten();
        let id: TaskId = task.id.clone();
        self.offers.insert(id.clone(), Offer { token, is_free });
        self.seen.insert(id, Seen { task: Some(task), is_mine: true });
    }

    /// Opens a transaction and asks for what the next claim of this handle is likely to ask for first, given what
    /// [`sql::OPEN`] takes; `None` if nothing is known of it.
    pub(crate) fn opening_ahead<'a>(
        shared: &crate::shared::Shared,
        query: &ReadyQuery,
        mut params: Vec<Param<'a>>,
        limit: &'a i64,
        seed: &'a i64,
    ) -> Option<Call<'a>> {
        if !is_for_all(&shared.classes(), query) {
            return None;
        }
        let past = from_the_first(query.order);
        params.extend([limit as Param<'a>, past, seed]);
        Some(Call::of(opening(query.order), params))
    }
}

/// What the first of an order comes after.
fn from_the_first<'a>(order: Order) -> Param<'a> {
    const FIRST: &[u8] = &[];
    const BEFORE: i64 = -1;
    const BEHIND: i64 = i64::MAX;
    match order {
        Order::Rank => &FIRST,
        Order::Oldest => &BEFORE,
        Order::Newest => &BEHIND,
    }
}

/// Whether a query asks for all ready tasks, of whatever class: what it finds first can be read ahead then, whichever classes
/// there are by now.
fn is_for_all(classes: &Classes, query: &ReadyQuery) -> bool {
    let filter = &query.filter;
    let matches = |class: &Class| {
        class.needs.iter().all(|need| filter.capabilities.contains(need))
            && query.reserved.may_match(class.assignee.as_ref())
    };
    filter.labels.is_empty()
        && filter.types.is_empty()
        && !classes.by_id.is_empty()
        && classes.by_id.values().all(matches)
}
