//! What the tasks of each system are made of, as tables.
//!
//! - [`Dialect`]: one system's tasks; [`Rule`]: one field of theirs, and the part it plays.
//!
//! A field that stands in no table plays no part here and is kept as it is.

use serde_json::{Map, Value};
use taskhost_board::Status;

use crate::Format;
use crate::times::TimeStyle;

/// The part that a field plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Id,
    Type,
    Status,
    Parent,
    After,
    Priority,
    Labels,
    Needs,
    /// For whom it is reserved: a name, or an object with a name.
    Assignee,
    /// Who holds it while it is in progress.
    Holder,
    /// Who holds it while it is in progress, and for whom it is reserved before.
    Worker,
    /// Since when it is held.
    Since,
    CreatedAt,
    UpdatedAt,
    CompletedAt,
    Result,
    Error,
    /// The system's own room for whatever its users have.
    Data,
}

/// How a system writes that there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blank {
    /// The field isn't there.
    Absent,
    /// The field is null.
    Null,
}

/// A field of a system's tasks.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) role: Role,
    /// Its name, then others under which it is found.
    pub(crate) names: &'static [&'static str],
    pub(crate) blank: Blank,
}

impl Rule {
    /// The name that is written, unless the task came with another one.
    pub(crate) fn name(&self) -> &'static str {
        self.names[0]
    }
}

/// What the tasks of a system are made of.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) format: Format,
    /// The type of a task that has none.
    pub(crate) default_type: &'static str,
    pub(crate) rules: &'static [Rule],
    /// Its words for where a task stands, where they aren't the board's.
    pub(crate) words: &'static [(Status, &'static str)],
    pub(crate) time: TimeStyle,
    /// Whether priorities are words.
    pub(crate) priority_words: bool,
    /// Whether names of fields are the same in any case.
    pub(crate) names_in_any_case: bool,
    /// Whether lists are JSON texts.
    pub(crate) lists_as_text: bool,
}

const fn rule(role: Role, names: &'static [&'static str]) -> Rule {
    Rule { role, names, blank: Blank::Absent }
}

const fn nullable(role: Role, names: &'static [&'static str]) -> Rule {
    Rule { role, names, blank: Blank::Null }
}

const PARENT: Rule = rule(Role::Parent, &["parent_id", "parentId", "parent"]);
const AFTER: Rule = rule(Role::After, &["dependencies", "depends_on", "dependsOn"]);
const LABELS: Rule = rule(Role::Labels, &["tags", "labels"]);
const PRIORITY: Rule = rule(Role::Priority, &["priority"]);
const CREATED: Rule = rule(Role::CreatedAt, &["created_at", "createdAt", "created"]);
const UPDATED: Rule =
    rule(Role::UpdatedAt, &["updated_at", "updatedAt", "last_modified", "lastModified"]);
const COMPLETED: Rule = rule(Role::CompletedAt, &["completed_at", "completedAt"]);
const RESULT: Rule = rule(Role::Result, &["result"]);
const ERROR: Rule = rule(Role::Error, &["error", "error_message"]);
const NEEDS: Rule = rule(Role::Needs, &["required_capabilities", "capabilities"]);

static TASK_MANAGER: Dialect = Dialect {
    format: Format::TaskManager,
    default_type: "task",
    rules: &[
        rule(Role::Id, &["id"]),
        rule(Role::Type, &["type"]),
        rule(Role::Status, &["status"]),
        nullable(Role::Parent, &["parent_id"]),
        nullable(Role::Holder, &["locked_by"]),
        nullable(Role::Since, &["locked_at"]),
        rule(Role::CreatedAt, &["created_at"]),
        nullable(Role::CompletedAt, &["completed_at"]),
        rule(Role::Result, &["result", "result_data"]),
        rule(Role::Data, &["data"]),
    ],
    words: &[],
    time: TimeStyle::Local,
    priority_words: false,
    names_in_any_case: false,
    lists_as_text: false,
};

static TODO2: Dialect = Dialect {
    format: Format::Todo2,
    default_type: "todo",
    rules: &[
        rule(Role::Id, &["id"]),
        rule(Role::Type, &["type"]),
        rule(Role::Status, &["status"]),
        PARENT,
        AFTER,
        PRIORITY,
        LABELS,
        rule(Role::Assignee, &["assignee"]),
        CREATED,
        UPDATED,
        COMPLETED,
        RESULT,
        ERROR,
    ],
    words: &[
        (Status::Pending, "Todo"),
        (Status::InProgress, "In Progress"),
        (Status::InReview, "Review"),
        (Status::Blocked, "Blocked"),
        (Status::Completed, "Done"),
        (Status::Failed, "Failed"),
        (Status::Cancelled, "Cancelled"),
    ],
    time: TimeStyle::Utc,
    priority_words: true,
    names_in_any_case: false,
    lists_as_text: false,
};

static A2A: Dialect = Dialect {
    format: Format::A2a,
    default_type: "task",
    rules: &[
        rule(Role::Id, &["task_id", "id"]),
        rule(Role::Type, &["type", "task_type", "agent_type"]),
        rule(Role::Status, &["status"]),
        PARENT,
        AFTER,
        PRIORITY,
        LABELS,
        NEEDS,
        rule(Role::Holder, &["claimed_by", "agent_id", "assigned_to"]),
        rule(Role::Since, &["claimed_at"]),
        CREATED,
        UPDATED,
        COMPLETED,
        RESULT,
        ERROR,
    ],
    words: &[(Status::Pending, "available"), (Status::InProgress, "claimed")],
    time: TimeStyle::Local,
    priority_words: false,
    names_in_any_case: false,
    lists_as_text: false,
};

static TASK_BOARD: Dialect = Dialect {
    format: Format::TaskBoard,
    default_type: "task",
    rules: &[
        rule(Role::Id, &["id", "task_id"]),
        rule(Role::Type, &["type", "task_type"]),
        rule(Role::Status, &["status"]),
        PARENT,
        AFTER,
        PRIORITY,
        LABELS,
        NEEDS,
        rule(Role::Worker, &["assigned_to", "claimed_by", "assigned_agent", "agent", "assignee"]),
        rule(Role::Since, &["claimed_at", "assigned_at", "started_at"]),
        CREATED,
        UPDATED,
        COMPLETED,
        RESULT,
        ERROR,
    ],
    words: &[],
    time: TimeStyle::Unix,
    priority_words: false,
    names_in_any_case: false,
    lists_as_text: false,
};

static SQLITE: Dialect = Dialect {
    format: Format::Sqlite,
    default_type: "task",
    rules: &[
        rule(Role::Id, &["id", "task_id"]),
        rule(Role::Type, &["type", "task_type", "agent_type"]),
        rule(Role::Status, &["status"]),
        PARENT,
        AFTER,
        PRIORITY,
        LABELS,
        NEEDS,
        rule(Role::Worker, &["assigned_to", "assigned_agent", "agent_id", "claimed_by"]),
        rule(Role::Since, &["assigned_at", "claimed_at", "started_at"]),
        CREATED,
        UPDATED,
        COMPLETED,
        RESULT,
        ERROR,
    ],
    words: &[],
    time: TimeStyle::Local,
    priority_words: false,
    names_in_any_case: true,
    lists_as_text: true,
};

/// Whether a value says something.
pub(crate) fn is_filled(value: &Value) -> bool {
    !value.is_null() && *value != ""
}

impl Dialect {
    pub(crate) fn of(format: Format) -> &'static Self {
        match format {
            Format::TaskManager => &TASK_MANAGER,
            Format::Todo2 => &TODO2,
            Format::A2a => &A2A,
            Format::TaskBoard => &TASK_BOARD,
            Format::Sqlite => &SQLITE,
        }
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.rules.iter().any(|rule| rule.role == role)
    }

    /// The key under which an object has the field of this rule: the first name of those that say something, else the
    /// first that is there at all, since many writers leave the names that they don't use empty.
    pub(crate) fn key<'a>(&self, rule: &Rule, object: &'a Map<String, Value>) -> Option<&'a str> {
        let in_any_case = |name: &str| {
            let mut keys = object.keys().filter(|_| self.names_in_any_case);
            keys.find(|key| key.eq_ignore_ascii_case(name))
        };
        let same = |name: &&str| match object.get_key_value(*name) {
            Some((key, _)) => Some(key),
            None => in_any_case(name),
        };
        let keys = || rule.names.iter().filter_map(same);
        let filled = keys().find(|key| object.get(key.as_str()).is_some_and(is_filled));
        filled.or_else(|| keys().next()).map(String::as_str)
    }

    /// The rule for the field that plays this part.
    pub(crate) fn rule(&self, role: Role) -> Option<&'static Rule> {
        self.rules.iter().find(|rule| rule.role == role)
    }

    /// Whether it has a field for who holds a task.
    pub(crate) fn has_holder(&self) -> bool {
        self.has(Role::Holder) || self.has(Role::Worker)
    }

    /// The word for where a task stands.
    pub(crate) fn word(&self, status: Status) -> &'static str {
        let own = self.words.iter().find(|(of, _)| *of == status);
        own.map_or(status.as_str(), |(_, word)| word)
    }
}
