//! One task of another system on its way to a board: what its fields say, before it is known which tasks it may name.

use serde_json::{Map, Value};
use taskhost_board::{
    AgentKind, Arrival, Assignee, Json, Name, NewTask, Past, PastClaim, Status, TaskId,
};

use crate::assemble::Source;
use crate::dialect::{Dialect, Role, Rule};
use crate::ids::{id_text, name};
use crate::{Error, ReadOptions, Remark, text, times, words};

/// How many labels, and how many needs, a task of a board has at most.
const WORDS_MAX: usize = 64;
/// How many dependencies a task of a board has at most.
const AFTER_MAX: usize = 4_096;
/// The longest error of a board, in bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Who holds a task of which only that somebody does is known.
const UNKNOWN: &str = "unknown";

/// A task of another system, read as far as it can be by itself.
pub(crate) struct Draft {
    pub(crate) source: Source,
    /// The fields that play a part: their rule, the name they were found by, and their value.
    pub(crate) given: Vec<(&'static Rule, String, Value)>,
    /// What other tasks call it.
    pub(crate) id_text: Option<String>,
    pub(crate) parent_text: Option<String>,
    pub(crate) after_texts: Vec<String>,
    /// Its place in the list, if a board has it elsewhere.
    pub(crate) place: Option<usize>,
    pub(crate) arrival: Arrival,
    pub(crate) remarks: Vec<Remark>,
}

impl Draft {
    /// Reads what the fields say. Those that play a part are taken out of the source.
    pub(crate) fn read(
        dialect: &'static Dialect,
        mut source: Source,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let mut given = Vec::new();
        for rule in dialect.rules {
            let found = dialect.key(rule, &source.object).map(ToOwned::to_owned);
            if let Some((key, value)) = found.and_then(|key| source.object.remove_entry(&key)) {
                given.push((rule, key, value));
            }
        }
        let task_type = Name::new(dialect.default_type).expect("the types of the tables are names");
        let arrival = Arrival { new: NewTask::new(task_type), past: Past::new(Status::Pending) };
        let (id_text, parent_text, after_texts) = (None, None, Vec::new());
        let mut draft = Self {
            source,
            given,
            id_text,
            parent_text,
            after_texts,
            place: None,
            arrival,
            remarks: Vec::new(),
        };
        let given = draft.value(Role::Id).as_ref().and_then(crate::ids::id_text);
        draft.id_text = given.or_else(|| draft.source.named.clone());
        draft.read_kind();
        draft.read_links();
        draft.read_past(dialect, options)?;
        Ok(draft)
    }

    /// What the field of this part says; `None` for null too.
    pub(crate) fn value(&self, role: Role) -> Option<Value> {
        let found = self.given.iter().find(|(rule, ..)| rule.role == role)?;
        Some(found.2.clone()).filter(|value| !value.is_null())
    }

    pub(crate) fn remark(&mut self, field: &str, why: impl Into<String>) {
        let task = self.id_text.clone();
        self.remarks.push(Remark { task, field: field.to_owned(), why: why.into() });
    }

    /// Remarks on the field of this part, by the name it has there.
    pub(crate) fn remark_on(&mut self, role: Role, why: impl Into<String>) {
        let found = self.given.iter().find(|(rule, ..)| rule.role == role);
        let field = found.map_or_else(|| "id".to_owned(), |(_, name, _)| name.clone());
        self.remark(&field, why);
    }

    fn read_kind(&mut self) {
        if let Some(value) = self.value(Role::Type) {
            match name(&value) {
                Some(name) => self.arrival.new.task_type = name,
                None => {
                    self.remark_on(Role::Type, "no valid name for a type, so it has the usual one")
                }
            }
        }
        if let Some(value) = self.value(Role::Priority) {
            match words::priority(&value) {
                Some(priority) => self.arrival.new.priority = priority,
                None => self.remark_on(Role::Priority, "no priority that is known, so it has none"),
            }
        }
        self.arrival.new.labels = self.read_names(Role::Labels);
        self.arrival.new.needs = self.read_names(Role::Needs);
    }

    fn read_names(&mut self, role: Role) -> Vec<Name> {
        let items = self.list(role);
        let mut names: Vec<Name> = items.iter().filter_map(name).collect();
        if names.len() < items.len() {
            self.remark_on(role, "some are no valid names, and are left out");
        }
        names.sort();
        names.dedup();
        if names.len() > WORDS_MAX {
            self.remark_on(role, format!("more than {WORDS_MAX}, so the rest is left out"));
            names.truncate(WORDS_MAX);
        }
        names
    }

    fn read_links(&mut self) {
        if let Some(value) = self.value(Role::Parent) {
            self.parent_text = id_text(&value);
            if self.parent_text.is_none() && value != "" {
                self.remark_on(Role::Parent, "no id, so it has no parent");
            }
        }
        let items = self.list(Role::After);
        self.after_texts = items.iter().filter_map(id_text).collect();
        if self.after_texts.len() < items.len() {
            self.remark_on(Role::After, "some are no ids, and are left out");
        }
        if self.after_texts.len() > AFTER_MAX {
            self.remark_on(Role::After, format!("more than {AFTER_MAX}, so the rest is left out"));
            self.after_texts.truncate(AFTER_MAX);
        }
    }

    /// The items of a list, which may be a JSON text.
    fn list(&mut self, role: Role) -> Vec<Value> {
        match self.value(role) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
            Some(Value::String(text)) => match serde_json::from_str(&text) {
                Ok(Value::Array(items)) => items,
                _ if text.starts_with(['[', '{']) => {
                    self.remark_on(role, "no list, so it has none");
                    Vec::new()
                }
                _ => text.split(',').map(|item| Value::from(item.trim())).collect(),
            },
            Some(_) => {
                self.remark_on(role, "no list, so it has none");
                Vec::new()
            }
        }
    }

    fn read_past(&mut self, dialect: &Dialect, options: &ReadOptions) -> Result<(), Error> {
        self.read_assignee();
        self.read_status();
        self.read_holder(dialect, options);
        let status = self.arrival.past.status;
        let mut times = [Role::CreatedAt, Role::Since, Role::UpdatedAt, Role::CompletedAt]
            .map(|role| (role, self.time(role)));
        // Only what has ended has an end.
        if !status.is_finished() {
            times[3].1 = None;
        }
        let known = || times.iter().filter_map(|(_, time)| *time);
        let [(_, created), _, (_, updated), (_, completed)] = times;
        let past = &mut self.arrival.past;
        past.created_at = created.or(known().min()).or(Some(options.now));
        past.updated_at = updated.or(known().max()).or(past.created_at);
        past.completed_at = completed.or(past.updated_at).filter(|_| status.is_finished());
        match status {
            Status::InProgress | Status::InReview | Status::Completed => past.attempts = 1,
            Status::Failed => (past.attempts, past.failures) = (1, 1),
            Status::Pending | Status::Blocked | Status::Cancelled => {}
        }
        self.read_outcome(dialect)
    }

    fn time(&mut self, role: Role) -> Option<taskhost_board::Millis> {
        let value = self.value(role)?;
        let time = times::parse(&value);
        if time.is_none() {
            self.remark_on(role, "no time that can be read, so the likeliest one is taken");
        }
        time
    }

    fn read_assignee(&mut self) {
        let Some(value) = self.value(Role::Assignee) else { return };
        let part = |part: &str| value.get(part).filter(|value| !value.is_null());
        let Some(agent) = part("name").or(Some(&value)).and_then(name) else {
            self.remark_on(Role::Assignee, "no valid name, so it is reserved for nobody");
            return;
        };
        let kind = part("type").or_else(|| part("kind")).map(|kind| {
            match kind.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
                "agent" => Some(AgentKind::Agent),
                "host" => Some(AgentKind::Host),
                "human" => Some(AgentKind::Human),
                _ => None,
            }
        });
        self.arrival.new.assignee = Some(Assignee {
            name: agent,
            kind: kind.flatten().unwrap_or_default(),
            hostname: part("hostname").and_then(name),
            by: part("assigned_by").and_then(name),
        });
        if kind == Some(None) {
            self.remark_on(Role::Assignee, "a type that isn't known, so it is taken for an agent");
        }
    }

    fn read_status(&mut self) {
        let word = self.value(Role::Status);
        let known = word.as_ref().and_then(Value::as_str).and_then(words::status);
        self.arrival.past.status = match (self.source.standing, known, &word) {
            // How it ended is said by its word alone.
            (Some(Status::Completed), Some(known), _) if known.is_finished() => known,
            (Some(standing), ..) => standing,
            (None, Some(known), _) => known,
            (None, None, None) => self.status_by_traces(),
            (None, None, Some(word)) => {
                let word = id_text(word).unwrap_or_else(|| word.to_string());
                let reason =
                    format!("its status `{word}` isn't known: unblock it if it is to be done");
                self.arrival.past.reason = Some(reason.chars().take(500).collect());
                self.remark_on(Role::Status, "not known, so it is blocked, and nobody is given it");
                Status::Blocked
            }
        };
    }

    /// Where a task stands that doesn't say so: claims leave traces, where that is all they do.
    fn status_by_traces(&self) -> Status {
        match [Role::CompletedAt, Role::Holder, Role::Since].map(|role| self.value(role).is_some())
        {
            [true, ..] => Status::Completed,
            [_, true, _] => Status::InProgress,
            [.., true] if self.value(Role::Worker).is_some() => Status::InProgress,
            _ => Status::Pending,
        }
    }

    /// A task that is in progress becomes somebody's claim; if nobody is known to have it, it is pending.
    fn read_holder(&mut self, dialect: &Dialect, options: &ReadOptions) {
        let role = [Role::Holder, Role::Worker].into_iter().find(|role| dialect.has(*role));
        let given = role.and_then(|role| self.value(role)).filter(|value| *value != "");
        let agent = given.as_ref().and_then(name);
        if let (Some(role), Some(_), None) = (role, &given, &agent) {
            self.remark_on(role, "no valid name of an agent");
        }
        match self.arrival.past.status {
            Status::InProgress => {}
            Status::Pending | Status::Blocked => {
                if role == Some(Role::Worker) {
                    self.arrival.new.assignee = agent.map(reserved_for);
                }
                return;
            }
            Status::InReview | Status::Completed | Status::Failed | Status::Cancelled => return,
        }
        let since = self.value(Role::Since).as_ref().and_then(times::parse);
        let assignee = self.arrival.new.assignee.clone();
        let somebody = since.is_some() || given.is_some() || self.source.standing.is_some();
        let holder = match (agent, assignee) {
            (Some(agent), _) => reserved_for(agent),
            (None, Some(assignee)) => assignee,
            (None, None) if somebody => {
                self.remark("status", "in progress by nobody who is named, so `unknown` holds it");
                reserved_for(Name::new(UNKNOWN).expect("it is a name"))
            }
            (None, None) => {
                self.remark_on(Role::Status, "in progress by nobody, so it is pending");
                self.arrival.past.status = Status::Pending;
                return;
            }
        };
        self.arrival.past.claim = Some(PastClaim {
            agent: holder.name,
            kind: holder.kind,
            hostname: holder.hostname,
            since: since.or(Some(options.now)),
            lease_ms: options.lease_ms(),
        });
    }

    fn read_outcome(&mut self, dialect: &Dialect) -> Result<(), Error> {
        let mut result = self.value(Role::Result);
        // Where there is no room for an error, it is what a failure results in.
        if let (false, Status::Failed, Some(Value::Object(fields))) =
            (dialect.has(Role::Error), self.arrival.past.status, &result)
            && let Some(Value::String(error)) = fields.get("error")
            && error.len() <= ERROR_BYTES_MAX
        {
            self.arrival.past.error = Some(error.clone());
            if fields.len() == 1 {
                result = None;
            }
        }
        self.arrival.past.result = result.map(|result| self.keep(result)).transpose()?;
        if let Some(error) = self.value(Role::Error) {
            let text = error.as_str().map_or_else(|| error.to_string(), ToOwned::to_owned);
            if text.len() <= ERROR_BYTES_MAX {
                self.arrival.past.error = Some(text);
            } else {
                self.remark_on(
                    Role::Error,
                    "longer than errors are here, so it stands in the data",
                );
            }
        }
        Ok(())
    }

    /// A value as a board keeps it.
    pub(crate) fn keep(&self, value: Value) -> Result<Json, Error> {
        let task = || self.id_text.clone().unwrap_or_default();
        Json::try_from(value).map_err(|e| text::unkeepable(task(), &e))
    }

    /// What a board is to remember besides the fields that play a part.
    pub(crate) fn rest(&mut self) -> Map<String, Value> {
        let mut rest = std::mem::take(&mut self.source.object);
        rest.extend(std::mem::take(&mut self.source.beside));
        rest
    }

    pub(crate) fn set_id(&mut self, id: TaskId) {
        self.arrival.new.id = Some(id);
    }
}

fn reserved_for(name: Name) -> Assignee {
    Assignee { name, kind: AgentKind::Agent, hostname: None, by: None }
}
