//! What `spans` says of boards in files alone.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use taskhost::{Action, Board, BoardSettings, ChangeRequest, Filter, ListQuery, Name, Owner};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::spans::{SECRET, add, id, secret, work};

/// Everything that a subscriber is told of spans.
#[derive(Clone, Default)]
struct Heard {
    spans: Arc<Mutex<Vec<Span>>>,
    count: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        let before = self.fields.insert(field.name(), text);
        assert!(before.is_none(), "`{}` of `{}` is told twice", field.name(), self.name);
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "taskhost"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut heard = Span { name: span.metadata().name(), ..Span::default() };
        assert_eq!(*span.metadata().level(), tracing::Level::DEBUG);
        span.record(&mut heard);
        self.spans.lock().unwrap().push(heard);
        Id::from_u64(self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64() - 1).unwrap();
        values.record(&mut self.spans.lock().unwrap()[index]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Heard {
    /// The spans of this name, oldest first.
    fn named(&self, name: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The only span of this name, if it says this: its fields but the board and the lengths of time.
    #[track_caller]
    fn says(&self, name: &str, fields: &[(&str, &str)]) {
        let said: Vec<BTreeMap<&str, String>> = self
            .named(name)
            .into_iter()
            .map(|mut span| {
                span.fields.retain(|field, _| *field != "board" && !field.ends_with("_us"));
                span.fields
            })
            .collect();
        let fields: BTreeMap<&str, String> =
            fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert!(said.contains(&fields), "`{name}` says {said:?}, not {fields:?}");
    }
}

/// What is done beside claims, and looked at.
fn look_and_change(board: &Board) {
    let by = Name::new("olga").unwrap();
    let cancel = Action::Cancel { cascade: false, reason: Some(SECRET.into()) };
    let (ids, by) = (vec![id("three")], Some(by));
    let request = ChangeRequest { ids, action: cancel, by, together: false, dry_run: false };
    board.change(&request).unwrap();
    let request = ChangeRequest { ids: vec![id("nobody")], ..request };
    board.change(&request).unwrap();
    let by = request.by.as_ref();
    board.set_meta(&id(SECRET), Some(&secret()), None, by).unwrap();
    let edit = |settings: &mut BoardSettings| {
        settings.fallback = true;
        Ok(())
    };
    board.configure(&edit, by).unwrap();
    let values = board.contexts();
    let owner = Owner::Task(id("one"));
    values.set(&owner, &id(SECRET), SECRET.as_bytes(), board.deadline()).unwrap();
    values.append(&owner, &id(SECRET), SECRET.as_bytes(), board.deadline()).unwrap();
    assert!(values.get(&owner, &id(SECRET)).unwrap().is_some());
    assert_eq!(values.list(&owner).unwrap().len() + values.owners().unwrap().len(), 2);
    values.remove(&owner, &id(SECRET), board.deadline()).unwrap();
    let ada = board.agent("ada").unwrap();
    board.task(&id("one")).unwrap();
    board.task(&id("nobody")).unwrap_err();
    board.explain(&id("two"), Some(ada.agent())).unwrap();
    board.prospect(ada.agent(), &Filter::default()).unwrap();
    board.list(&ListQuery { limit: 9, ..ListQuery::default() }).unwrap();
    board.history(Default::default(), |_, _| true).unwrap();
    board.children(&id("one"), None, 9).unwrap();
    board.meta(&id(SECRET)).unwrap();
    board.view().unwrap();
    board.head().unwrap();
    board.next_due().unwrap();
    board.census().unwrap();
    board.metas().unwrap();
    board.figures().unwrap();
    board.disk_use().unwrap();
    board.policies().unwrap();
    board.settings().unwrap();
    board.wait(board.mark().unwrap(), std::time::Duration::ZERO).unwrap();
    drop(board.hold_task(&id("one"), None).unwrap());
    drop(board.hold_board(Some("olga")).unwrap());
    board.export(&mut Vec::new()).unwrap();
    board.compact().unwrap();
    board.compact_if_due().unwrap();
    assert!(board.doctor().is_clean());
}

#[test]
fn a_subscriber_hears_of_each_operation_and_of_nothing_that_is_in_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board");
    let heard = Heard::default();
    let session = tracing::subscriber::with_default(heard.clone(), || {
        Board::init(&path, &Default::default()).unwrap();
        let board = Board::open(&path).unwrap();
        add(&board);
        let session = work(&board);
        look_and_change(&board);
        Board::open(folder.path().join("nowhere")).unwrap_err();
        session
    });
    let ada = [("agent", "ada"), ("session", &*session)];
    heard.says("taskhost.add", &[("tasks", "3")]);
    let claimed = [("task", "one"), ("token", "1"), ("outcome", "claimed")];
    heard.says("taskhost.claim", &[&ada[..], &claimed].concat());
    let claimed = [("task", "two"), ("token", "2"), ("outcome", "claimed")];
    heard.says("taskhost.claim", &[&ada[..], &claimed].concat());
    heard.says("taskhost.heartbeat", &[("agent", "ada"), ("task", "one"), ("token", "1")]);
    let held = [("agent", "ada"), ("task", "one"), ("token", "1"), ("outcome", "completed")];
    heard.says("taskhost.complete", &held);
    let held = [("agent", "ada"), ("task", "two"), ("token", "2"), ("outcome", "failed")];
    heard.says("taskhost.fail", &held);
    let held = [("agent", "ada"), ("task", "three"), ("token", "3"), ("outcome", "pending")];
    heard.says("taskhost.release", &held);
    let late = [("agent", "ada"), ("task", "three"), ("token", "9999"), ("error", "stale_token")];
    heard.says("taskhost.complete", &late);
    let change = [("verb", "cancel"), ("tasks", "1"), ("agent", "olga")];
    heard.says(
        "taskhost.change",
        &[&change[..], &[("task", "three"), ("outcome", "done")]].concat(),
    );
    let failed = [("task", "nobody"), ("outcome", "failed"), ("error", "no_such_task")];
    heard.says("taskhost.change", &[&change[..], &failed].concat());
    heard.says("taskhost.task", &[("task", "nobody"), ("error", "no_such_task")]);
    heard.says("taskhost.open", &[("error", "no_such_board")]);
    heard.says("taskhost.context_set", &[("task", "one")]);
    for name in [
        "init",
        "open",
        "session",
        "may_claim",
        "set_meta",
        "configure",
        "context_append",
        "context_get",
        "context_list",
        "context_owners",
        "context_remove",
        "explain",
        "prospect",
        "list",
        "history",
        "children",
        "meta",
        "view",
        "head",
        "next_due",
        "census",
        "metas",
        "figures",
        "disk_use",
        "policies",
        "settings",
        "wait",
        "hold_task",
        "hold_board",
        "export",
        "compact",
        "compact_if_due",
        "doctor",
    ] {
        assert!(!heard.named(&format!("taskhost.{name}")).is_empty(), "nothing of `{name}`");
    }
    let spans = heard.spans.lock().unwrap();
    for span in &*spans {
        assert!(!format!("{span:?}").contains(SECRET), "{span:?}");
        assert!(span.fields["board"].starts_with(&*folder.path().to_string_lossy()), "{span:?}");
    }
    let claim = spans.iter().find(|span| span.name == "taskhost.claim").unwrap();
    for part in ["lock_wait_us", "lock_hold_us", "sync_us", "hooks_us"] {
        assert!(claim.fields[part].parse::<u64>().is_ok(), "{claim:?}");
    }
}
