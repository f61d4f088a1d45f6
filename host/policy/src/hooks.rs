//! The hooks of one instance, ready to be called, whichever version of the contract it was built against.

use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, Resource, TypedFunc,
};

use crate::bindings::exports::taskhost::policy::{
    about, assignment, lifecycle, readiness, recovery,
};
use crate::bindings::taskhost::policy::types::Request;
use crate::component::Compiled;
use crate::contract::Hook;
use crate::failure::{Abort, chain_text};
use crate::handles::{Task, Tx, View};
use crate::state::State;

type About = TypedFunc<(), (about::Description,)>;
type Readiness = TypedFunc<(Resource<View>, Resource<Task>), (readiness::Answer,)>;
type Assignment = TypedFunc<(Resource<View>, Resource<Tx>, Request), (assignment::Answer,)>;
type Lifecycle =
    TypedFunc<(Resource<View>, Resource<Tx>, Resource<Task>, String, String), (lifecycle::Answer,)>;
type Recovery =
    TypedFunc<(Resource<View>, Resource<Tx>, Resource<Task>, recovery::Cause), (recovery::Answer,)>;

/// The hooks that it has.
pub(crate) struct Hooks {
    about: About,
    readiness: Option<Readiness>,
    assignment: Option<Assignment>,
    lifecycle: Option<Lifecycle>,
    recovery: Option<Recovery>,
}

/// The view and the transaction: every call is lent one of each, so there is nothing to tell apart.
fn view() -> Resource<View> {
    Resource::new_borrow(0)
}

fn tx() -> Resource<Tx> {
    Resource::new_borrow(0)
}

impl Hooks {
    /// Looks the hooks up; the error lists every one that hasn't the contract's type.
    pub(crate) fn load(
        compiled: &Compiled,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> Result<Self, Vec<String>> {
        let exports = &compiled.exports;
        let mut wrong = Vec::new();
        let about = typed(Hook::About, Some(&exports.about), store, instance, &mut wrong);
        let readiness =
            typed(Hook::Readiness, exports.readiness.as_ref(), store, instance, &mut wrong);
        let assignment =
            typed(Hook::Assignment, exports.assignment.as_ref(), store, instance, &mut wrong);
        let lifecycle =
            typed(Hook::Lifecycle, exports.lifecycle.as_ref(), store, instance, &mut wrong);
        let recovery =
            typed(Hook::Recovery, exports.recovery.as_ref(), store, instance, &mut wrong);
        match about {
            Some(about) if wrong.is_empty() => {
                Ok(Self { about, readiness, assignment, lifecycle, recovery })
            }
            _ => Err(wrong),
        }
    }

    pub(crate) fn describe(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<about::Description> {
        Ok(self.about.call(store, ())?.0)
    }

    pub(crate) fn classify(
        &self,
        store: &mut Store<State>,
        task: Resource<Task>,
    ) -> wasmtime::Result<readiness::Answer> {
        Ok(there(&self.readiness)?.call(store, (view(), task))?.0)
    }

    pub(crate) fn choose(
        &self,
        store: &mut Store<State>,
        request: Request,
    ) -> wasmtime::Result<assignment::Answer> {
        Ok(there(&self.assignment)?.call(store, (view(), tx(), request))?.0)
    }

    pub(crate) fn on_event(
        &self,
        store: &mut Store<State>,
        task: Resource<Task>,
        event: &str,
        detail: &str,
    ) -> wasmtime::Result<lifecycle::Answer> {
        let arguments = (view(), tx(), task, event.to_owned(), detail.to_owned());
        Ok(there(&self.lifecycle)?.call(store, arguments)?.0)
    }

    pub(crate) fn recover(
        &self,
        store: &mut Store<State>,
        task: Resource<Task>,
        cause: recovery::Cause,
    ) -> wasmtime::Result<recovery::Answer> {
        Ok(there(&self.recovery)?.call(store, (view(), tx(), task, cause))?.0)
    }
}

fn typed<P, R>(
    hook: Hook,
    index: Option<&ComponentExportIndex>,
    store: &mut Store<State>,
    instance: &Instance,
    wrong: &mut Vec<String>,
) -> Option<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let found = instance.get_typed_func::<P, R>(store, index?);
    let found = found.map_err(|error| {
        wrong.push(format!(
            "its `{}.{}` hasn't the contract's type: {}",
            hook.name(),
            hook.function(),
            chain_text(&error)
        ));
    });
    found.ok()
}

fn there<T>(hook: &Option<T>) -> wasmtime::Result<&T> {
    hook.as_ref().ok_or_else(|| Abort::NoSuchHandle.into())
}
