//! What a policy says about itself, and whether it makes sense.

use std::collections::BTreeSet;

use taskhost_board::{Description, HookError, Name, SettingDeclaration, SettingType};

use crate::component::Compiled;
use crate::contract::Hook;
use crate::failure::About;
use crate::instance::Instance;
use crate::own_limits::PREFIX;
use crate::part::Surroundings;
use crate::settings;
use taskhost_board::FailureKind;

/// The most settings that a policy may declare.
const SETTINGS_MAX: usize = 128;
/// The longest version, summary, default value or line of documentation, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// What the component says about itself, asked once per process; and the instance that was asked, if one was.
pub(crate) fn described(
    compiled: &Compiled,
    around: &Surroundings,
) -> Result<(Description, Option<Instance>), HookError> {
    if let Some(about) = compiled.described.get() {
        return Ok((about.clone(), None));
    }
    let mut instance = Instance::new(compiled, around)?;
    let about = instance.describe(compiled, around)?;
    let wrong = wrong(&about);
    if !wrong.is_empty() {
        let policy = if about.name.is_empty() { &around.name } else { &about.name };
        let failure = About::of(policy, Hook::About).failure(
            FailureKind::InvalidComponent,
            format!("its description is wrong: {}", wrong.join("; ")),
        );
        return Err(failure.into());
    }
    let about = compiled.described.get_or_init(|| about).clone();
    let tidy = !instance.store.data_mut().handles.close_all();
    Ok((about, tidy.then_some(instance)))
}

/// Everything in a description that can't be meant.
fn wrong(about: &Description) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = Name::new(&*about.name) {
        wrong.push(error.to_string());
    }
    for (what, text) in [("version", &about.version), ("summary", &about.summary)] {
        if text.len() > TEXT_BYTES_MAX {
            wrong.push(format!("its {what} has more than {TEXT_BYTES_MAX} bytes"));
        }
    }
    if about.settings.len() > SETTINGS_MAX {
        wrong.push(format!(
            "it declares {} settings: {SETTINGS_MAX} is the most",
            about.settings.len()
        ));
        return wrong;
    }
    let mut names = BTreeSet::new();
    for setting in &about.settings {
        if !names.insert(&setting.name) {
            wrong.push(format!("it declares the setting `{}` twice", setting.name));
        }
        wrong.extend(wrong_setting(setting));
    }
    wrong
}

fn wrong_setting(setting: &SettingDeclaration) -> Option<String> {
    let SettingDeclaration { name, setting_type, default, doc } = setting;
    let ok = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !ok {
        return Some(format!(
            "`{name}` can't name a setting: a name has 1 to 64 letters, digits, `_`, `-` or `.`"
        ));
    }
    if name.starts_with(PREFIX) {
        return Some(format!(
            "`{name}` can't name a setting: `{PREFIX}` begins the host's own limits"
        ));
    }
    if default.len().max(doc.len()) > TEXT_BYTES_MAX {
        return Some(format!(
            "the setting `{name}` has a text of more than {TEXT_BYTES_MAX} bytes"
        ));
    }
    if matches!(setting_type, SettingType::Choice(words) if words.is_empty()) {
        return Some(format!("the setting `{name}` has nothing to choose from"));
    }
    settings::read(setting, default).err().map(|error| format!("the default of {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, setting_type: SettingType, default: &str) -> SettingDeclaration {
        let (name, default) = (name.to_owned(), default.to_owned());
        SettingDeclaration { name, setting_type, default, doc: String::new() }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let about = Description {
            name: String::new(),
            version: "1".into(),
            summary: String::new(),
            settings: vec![
                setting("lease", SettingType::Duration, "soon"),
                setting("lease", SettingType::Duration, "1m"),
                setting("a=b", SettingType::Text, ""),
                setting("mode", SettingType::Choice(vec![]), ""),
                setting("host.deadline", SettingType::Duration, "1s"),
            ],
            hooks: Vec::new(),
        };
        let wrong = wrong(&about).join("\n");
        for words in [
            "a name has 1 to 128",
            "default of `lease`",
            "twice",
            "`a=b`",
            "nothing to choose",
            "`host.deadline` can't name",
        ] {
            assert!(wrong.contains(words), "{words}: {wrong}");
        }
    }
}
