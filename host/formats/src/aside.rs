//! What has no place under its own name in another system's task, since that reads something else from it.
//!
//! A `priority` in a task's data is whatever its writer means by it. In the shape of a system whose tasks have a field of
//! that name it would become a fact about the task, or be dropped for the true one. So it stands with its like under one
//! name that says nothing anywhere, [`ASIDE`].

use serde_json::{Map, Value};

use crate::dialect::{Dialect, Role, Rule};

/// The field under which stands what can't stand under its own name.
pub(crate) const ASIDE: &str = "_imported_data";

/// Puts what can't stand under its own name together under one, [`ASIDE`] or what is like it.
pub(crate) fn put_aside(object: &mut Map<String, Value>, aside: Map<String, Value>) {
    if aside.is_empty() {
        return;
    }
    let mut name = ASIDE.to_owned();
    while object.keys().any(|key| key.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    object.insert(name, aside.into());
}

/// What of one task is put aside.
#[derive(Default)]
pub(crate) struct Aside(Vec<Hidden>);

/// A field that is put aside.
pub(crate) struct Hidden {
    /// Where it stands on the board.
    pub(crate) field: String,
    /// What it is called among its like.
    pub(crate) key: String,
    pub(crate) value: Value,
    /// What would be read from it; if that is nothing, another field has its name.
    rule: Option<&'static Rule>,
}

impl Aside {
    /// Takes away what a system would read as something about the task.
    pub(crate) fn take_facts(
        &mut self,
        dialect: &Dialect,
        object: &mut Map<String, Value>,
        within: &str,
    ) {
        for rule in dialect.rules {
            while let Some(key) = dialect.key(rule, object).map(ToOwned::to_owned)
                && let Some(value) = object.remove(&key)
            {
                self.add(&format!("{within}{key}"), &key, value, Some(rule));
            }
        }
    }

    pub(crate) fn add(
        &mut self,
        field: &str,
        key: &str,
        value: Value,
        rule: Option<&'static Rule>,
    ) {
        let mut key = key.to_owned();
        while self.0.iter().any(|hidden| hidden.key == key) {
            key.push('_');
        }
        self.0.push(Hidden { field: field.to_owned(), key, value, rule });
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Hidden> {
        self.0.into_iter()
    }
}

impl Hidden {
    /// Why it is put aside.
    pub(crate) fn why(&self, dialect: &Dialect) -> String {
        let Some(rule) = self.rule else {
            return format!("another field has its name, so it stands under `{ASIDE}`");
        };
        let fact = match rule.role {
            Role::Id => "id",
            Role::Type => "type",
            Role::Status => "status",
            Role::Parent => "parent",
            Role::After => "dependencies",
            Role::Priority => "priority",
            Role::Labels => "labels",
            Role::Needs => "needs",
            Role::Assignee => "assignee",
            Role::Holder | Role::Worker => "holder",
            Role::Since => "time of its claim",
            Role::CreatedAt => "time of creation",
            Role::UpdatedAt => "time of its last change",
            Role::CompletedAt => "time of its end",
            Role::Result => "result",
            Role::Error => "error",
            Role::Data => "data",
        };
        let format = dialect.format;
        format!("`{format}` reads it as the task's {fact}, so it stands under `{ASIDE}`")
    }
}
