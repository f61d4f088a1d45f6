//! A decision that was recorded, made again: by the same policy, by another build of it, or with other settings.

use taskhost_board::recording::{Came, Recording, Reran, Rerun};
use taskhost_board::{Description, Digest, Error, PolicyPin, PolicySet, ReadError};

use crate::subject::{Runner, Values};

/// What is to be otherwise than it was.
#[derive(Debug, Clone, Default)]
pub struct Instead {
    /// This component, in place of the policy that led. It keeps the settings that it declares. Where the standard
    /// policy led, one that has all hooks takes its place, and another one is put before it.
    pub component: Option<Vec<u8>>,
    /// Settings of the policy that leads.
    pub settings: Values,
}

impl Instead {
    /// Whether everything is as it was.
    pub fn is_nothing(&self) -> bool {
        self.component.is_none() && self.settings.is_empty()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The call that was made again.
    pub reran: Reran,
    /// Whether it came out as recorded.
    pub same: bool,
    /// What the policy that led says about itself.
    pub about: Description,
    /// The policies that were asked, and their settings.
    pub policies: PolicySet,
    /// Settings that were left out, because the component that was put in doesn't declare them.
    pub left_out: Vec<String>,
}

/// Brings a component by its digest.
pub type Fetch<'a> = dyn FnMut(Digest) -> Result<Vec<u8>, ReadError> + 'a;

/// How many hooks there are.
const HOOKS: usize = 4;

/// Makes a recorded decision again, in a fresh instance. Components that the recording hasn't are brought by `fetch`.
///
/// # Errors
///
/// If a policy can't be run at all, or not with these settings, or the recording contradicts itself. That the policy
/// fails again is an answer.
pub fn replay_recorded(
    recording: &Recording,
    instead: &Instead,
    fetch: &mut Fetch<'_>,
    runner: &Runner<'_>,
) -> Result<Replayed, Error> {
    let rerun = Rerun::new(recording)?;
    let policies = runner(rerun.powers())?;
    let mut component = |digest: Digest| match &instead.component {
        Some(bytes) if Digest::of(bytes) == digest => Ok(bytes.clone()),
        _ => recording.component(digest).map_or_else(|| fetch(digest), |bytes| Ok(bytes.into())),
    };
    let mut set = recording.policies.clone();
    let mut left_out = Vec::new();
    if let Some(bytes) = &instead.component {
        let about = policies.check(bytes)?;
        left_out = put_in(&mut set, Digest::of(bytes), &about);
    }
    let leading = set.custom.as_mut().unwrap_or(&mut set.standard);
    leading.settings.extend(instead.settings.clone());
    let about = policies.check_pin(leading, &component(leading.digest)?, &recording.limits)?;
    let policy = policies.prepare(&set, &recording.limits, &mut component)?;
    let reran = rerun.call(&*policy)?;
    let same = matches!(&reran.came, Came::Ended(ending) if ending.is_like(&recording.ending));
    Ok(Replayed { reran, same, about, policies: set, left_out })
}

/// Puts a component in place of the policy that led; says which of its settings the component doesn't declare.
fn put_in(set: &mut PolicySet, digest: Digest, about: &Description) -> Vec<String> {
    let declared = |name: &String| about.settings.iter().any(|setting| setting.name == *name);
    let was = set.leading().settings.clone();
    let (settings, left_out): (Values, Values) =
        was.into_iter().partition(|(name, _)| declared(name));
    let pin = PolicyPin { digest, settings };
    if set.custom.is_none() && about.hooks.len() == HOOKS {
        set.standard = pin;
    } else {
        set.custom = Some(pin);
    }
    left_out.into_keys().collect()
}
