//! New tasks.

use std::collections::BTreeSet;

use super::{KEYS_KEPT, Model, Result, Task};
use crate::words::{Answer, Id, New, No, Seen, Status};

impl Model {
    /// All of them or none.
    pub(super) fn add(&mut self, news: &[New], made: &[Id]) -> Result<Answer> {
        let mut outcomes = vec![None; news.len()];
        let mut made = made.iter();
        // They may name each other in any order: it is always the first that can be added whose turn it is.
        while outcomes.contains(&None) {
            let can = |place: &usize| outcomes[*place].is_none() && !waits(*place, news, &outcomes);
            let place = (0..news.len()).find(can).ok_or(No::Invalid)?;
            outcomes[place] = Some(self.add_one(&news[place], &mut made)?);
        }
        self.settle();
        let seen = |(id, repeated): (Id, bool)| Ok((self.task(&id)?.seen.clone(), repeated));
        let seen: Result<Vec<(Seen, bool)>> = outcomes.into_iter().flatten().map(seen).collect();
        Ok(Answer::Added(seen?))
    }

    fn add_one<'a>(
        &mut self,
        new: &New,
        made: &mut impl Iterator<Item = &'a Id>,
    ) -> Result<(Id, bool)> {
        if let Some((before, id, at)) = new.key.as_ref().and_then(|key| self.adds.get(key))
            && self.now < at + KEYS_KEPT
        {
            // Another task may have got the id of one that was archived: it isn't the one that was added so.
            let is_it = self.tasks.get(id).is_some_and(|task| task.seen.key == new.key);
            let same = before == new && is_it;
            return if same { Ok((id.clone(), true)) } else { Err(No::Invalid) };
        }
        let id = match &new.id {
            Some(id) => id.clone(),
            None => made.next().cloned().unwrap_or_default(),
        };
        if new.parent.iter().chain(&new.after).any(|other| *other == id) {
            return Err(No::Invalid);
        }
        for other in new.parent.iter().chain(&new.after) {
            self.task(other)?;
        }
        if self.tasks.contains_key(&id) {
            return Err(No::Invalid);
        }
        if self.parent_rule() == "children-first" && self.comes_after_ancestor(new) {
            return Err(No::Refused);
        }
        let mut after: Vec<Id> = Vec::new();
        for other in &new.after {
            if !after.contains(other) {
                after.push(other.clone());
            }
        }
        self.born += 1;
        let sorted = |words: &[String]| -> Vec<String> {
            words.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
        };
        let seen = Seen {
            id: id.clone(),
            task_type: new.task_type.clone(),
            status: Status::Pending,
            reason: None,
            parent: new.parent.clone(),
            after,
            priority: new.priority,
            labels: sorted(&new.labels),
            needs: sorted(&new.needs),
            assignee: new.assignee.clone(),
            data: new.data.clone(),
            key: new.key.clone(),
            attempts: 0,
            failures: 0,
            claim: None,
            result: None,
            error: None,
            not_before: new.not_before,
            created_at: self.now,
            updated_at: self.now,
            completed_at: None,
        };
        let task = Task { seen, born: self.born, lease: 0, living: false, closed: None };
        self.tasks.insert(id.clone(), task);
        if let Some(key) = &new.key {
            self.adds.insert(key.clone(), (new.clone(), id.clone(), self.now));
        }
        Ok((id, false))
    }

    /// The ancestor waits for its children, and this one for the ancestor: both would wait for ever.
    fn comes_after_ancestor(&self, new: &New) -> bool {
        let mut next = new.parent.clone();
        while let Some(id) = next {
            if new.after.contains(&id) && !self.is_completed(&id) {
                return true;
            }
            next = self.tasks.get(&id).and_then(|task| task.seen.parent.clone());
        }
        false
    }
}

/// Whether it names one that is to be added with it and wasn't yet.
fn waits(place: usize, news: &[New], outcomes: &[Option<(Id, bool)>]) -> bool {
    let is_left = |name: &Id| {
        let mut left = news.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_none());
        left.any(|(new, _)| new.id.as_ref() == Some(name))
    };
    news[place].parent.iter().chain(&news[place].after).any(is_left)
}
