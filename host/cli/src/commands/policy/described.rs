//! A policy as `policy show` and `policy check` describe it.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost::Digest;
use taskhost::domain::Description;

use crate::output::line;

/// What a policy says about itself, and what it is set to.
#[derive(Debug, Serialize)]
pub struct Described {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub digest: String,
    pub hooks: Vec<String>,
    pub settings: Vec<Setting>,
}

/// `value` is what holds: what was set, or else the default.
#[derive(Debug, Serialize)]
pub struct Setting {
    name: String,
    #[serde(rename = "type")]
    setting_type: String,
    value: String,
    default: String,
    doc: String,
}

impl Described {
    pub fn new(about: Description, digest: Digest, set: &BTreeMap<String, String>) -> Self {
        let settings = about.settings.into_iter().map(|declared| Setting {
            value: set.get(&declared.name).unwrap_or(&declared.default).clone(),
            setting_type: declared.setting_type.to_string(),
            name: declared.name,
            default: declared.default,
            doc: declared.doc,
        });
        Self {
            digest: digest.to_string(),
            settings: settings.collect(),
            name: about.name,
            version: about.version,
            summary: about.summary,
            hooks: about.hooks,
        }
    }

    pub fn write(&self, out: &mut String) {
        line(out, format_args!("{} {}: {}", self.name, self.version, self.summary));
        line(out, format_args!("digest  {}", self.digest));
        let hooks = if self.hooks.is_empty() { "none".into() } else { self.hooks.join(" ") };
        line(out, format_args!("hooks   {hooks}"));
        for setting in &self.settings {
            let Setting { name, setting_type, value, default, doc } = setting;
            let default =
                if value == default { String::new() } else { format!(", default {default}") };
            line(out, format_args!("  {name}={value}    ({setting_type}{default})"));
            line(out, format_args!("      {doc}"));
        }
    }
}
