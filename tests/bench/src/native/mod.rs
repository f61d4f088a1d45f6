//! The standard policy's own source, compiled into the host: what is left when WebAssembly is taken away.
//!
//! - [`NativePolicy`]: a [`Policy`] whose hooks are those of `guest/standard`, called natively.
//! - `host`: a [`Transaction`] as what answers their imports. `words`, `answers`: values, there and back.
//!
//! It reads and stages what the component would, so that the same claims come of it; only what the component's sandbox
//! does besides (limits, handles that are checked, values that are copied) is missing.

mod answers;
mod host;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use taskhost_board::{
    Agent, Cause, Choice, Classified, Event, FailureKind, Filter, HookError, Hooked, Hooks, Policy,
    PolicyFailure, Rescue, TaskId, Transaction, Verdict, quantity,
};
use taskhost_sdk::{About, ValueType, native, recovery};
use taskhost_standard_native::Standard;

use host::Lent;

/// Settings as a policy reads them.
type Settings = BTreeMap<String, String>;

/// The standard policy without WebAssembly.
pub struct NativePolicy {
    settings: Arc<Settings>,
}

impl NativePolicy {
    /// With these settings, as a user would write them, over its defaults.
    pub fn with(settings: &[(&str, &str)]) -> Result<Self> {
        let mut read = Settings::new();
        for declared in Standard::describe().settings {
            let set = settings.iter().find(|(name, _)| *name == declared.name);
            let written = set.map_or(&*declared.default_value, |(_, value)| value);
            let value = match declared.value_type {
                ValueType::Duration => {
                    let length = quantity::duration(written).map_err(anyhow::Error::msg)?;
                    length.as_millis().to_string()
                }
                _ => written.to_owned(),
            };
            read.insert(declared.name, value);
        }
        if let Some((name, _)) = settings.iter().find(|(name, _)| !read.contains_key(*name)) {
            bail!("the standard policy has no setting `{name}`");
        }
        Ok(Self { settings: Arc::new(read) })
    }
}

impl Policy for NativePolicy {
    fn enter(&self, _dry: bool) -> Box<dyn Hooks> {
        Box::new(Session { settings: self.settings.clone(), log: Vec::new() })
    }
}

/// The policy during one transaction.
struct Session {
    settings: Arc<Settings>,
    log: Vec<String>,
}

impl Session {
    /// Lends the transaction to a hook and takes it back. `read` says what the hook's answer means.
    fn ask<R, T>(
        &mut self,
        tx: Transaction,
        (hook, task): (&'static str, Option<&TaskId>),
        call: impl FnOnce() -> R,
        read: impl FnOnce(R, &Transaction) -> Result<T, String>,
    ) -> Hooked<T> {
        let lent = Lent::new(tx, self.settings.clone(), task.cloned());
        let (mut lent, answer) = native::with_host(lent, call);
        self.log.append(&mut lent.log);
        let wrong = |detail: String| {
            HookError::Policy(PolicyFailure {
                kind: FailureKind::InvalidStep,
                policy: "standard".into(),
                hook,
                task: task.cloned(),
                detail,
                mismatches: Vec::new(),
            })
        };
        let answer = match lent.failed.take() {
            Some(host::Failed::Read(error)) => Err(HookError::Read(error)),
            Some(host::Failed::Misuse(detail)) => Err(wrong(detail)),
            None => read(answer, &lent.tx).map_err(wrong),
        };
        Hooked { tx: lent.tx, answer }
    }
}

impl Hooks for Session {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.ask(
            tx,
            ("readiness", Some(task)),
            || native::classify::<Standard>(task.as_str()),
            |answer, _| answers::readiness(answers::of_task(answer)?),
        )
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let request = words::request(asker, filter, lease_ms);
        self.ask(
            tx,
            ("assignment", None),
            || native::choose::<Standard>(request),
            answers::assignment,
        )
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        self.ask(
            tx,
            ("lifecycle", Some(task)),
            || native::on_event::<Standard>(task.as_str(), event.as_str(), detail),
            |answer, _| answers::lifecycle(answers::of_task(answer)?, event),
        )
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        let cause = match cause {
            Cause::HolderDead => recovery::Cause::HolderDead,
            _ => recovery::Cause::LeaseOver,
        };
        self.ask(
            tx,
            ("recovery", Some(task)),
            || native::recover::<Standard>(task.as_str(), cause),
            |answer, _| answers::recovery(answers::of_task(answer)?),
        )
    }

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn memory_bytes(&self) -> u64 {
        0
    }

    fn close(self: Box<Self>, _committed: bool) {}
}
