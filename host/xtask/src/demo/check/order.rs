//! Which tasks were ready at each claim, reconstructed from the history; and whether the claim took the one
//! that the policy of that moment wants: the oldest before the swap, the newest after it.
//!
//! A claim is decided on the board as it is when the claim is committed, so what stands before it in the
//! history is exactly what the policy could see. All tasks of the job are alike but for their age.

use crate::demo::graph::Crate;
use crate::demo::history::{Event, What};
use std::collections::{BTreeMap, BTreeSet};

/// In which order ready tasks are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

impl Order {
    pub fn word(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldest",
            Self::NewestFirst => "newest",
        }
    }
}

/// A claim, and what there was to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    pub sequence: u64,
    pub agent: &'a str,
    pub task: &'a str,
    /// What the policy of that moment wants.
    pub order: Order,
    /// How many tasks were ready.
    pub ready: usize,
}

/// The claims, in the order in which they were made.
pub fn choices<'a>(
    job: &'a [Crate],
    history: &'a [Event],
    faults: &mut Vec<String>,
) -> Vec<Choice<'a>> {
    let mut ready = Ready::new(job);
    let mut order = Order::OldestFirst;
    let mut swaps = 0;
    let mut choices = Vec::new();
    for Event { sequence, what, .. } in history {
        match what {
            What::Added { task } => ready.add(task),
            What::Claimed { task, agent, .. } => {
                let choice = Choice { sequence: *sequence, agent, task, order, ready: ready.len() };
                faults.extend(ready.fault(&choice));
                ready.take(task);
                choices.push(choice);
            }
            What::Completed { task, .. } => ready.complete(task),
            // A new board's first policy is no swap.
            What::PolicySet if choices.is_empty() => {}
            What::PolicySet => {
                order = Order::NewestFirst;
                swaps += 1;
            }
            What::Undone { .. } => {}
        }
    }

    if swaps != 1 {
        faults.push(format!("the policy was swapped {swaps} times while agents worked, not once"));
    }
    for order in [Order::OldestFirst, Order::NewestFirst] {
        if !choices.iter().any(|choice| choice.order == order && choice.ready > 1) {
            faults.push(format!("no claim chose the {} of several ready tasks", order.word()));
        }
    }
    choices
}

/// The tasks that can be claimed, by age.
struct Ready<'a> {
    after: BTreeMap<&'a str, &'a [String]>,
    followers: BTreeMap<&'a str, Vec<&'a str>>,
    /// When each was added, counted.
    ages: BTreeMap<&'a str, usize>,
    completed: BTreeSet<&'a str>,
    taken: BTreeSet<&'a str>,
    by_age: BTreeMap<usize, &'a str>,
}

impl<'a> Ready<'a> {
    fn new(job: &'a [Crate]) -> Self {
        let mut followers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for built in job {
            for on in &built.after {
                followers.entry(on).or_default().push(&built.task);
            }
        }
        Self {
            after: job.iter().map(|built| (built.task.as_str(), built.after.as_slice())).collect(),
            followers,
            ages: BTreeMap::new(),
            completed: BTreeSet::new(),
            taken: BTreeSet::new(),
            by_age: BTreeMap::new(),
        }
    }

    fn len(&self) -> usize {
        self.by_age.len()
    }

    /// What is wrong with taking this task, if anything is.
    fn fault(&self, choice: &Choice) -> Option<String> {
        let Choice { sequence, agent, task, order, ready: count } = choice;
        let got = format!("entry {sequence}: `{agent}` got `{task}`");
        if !self.by_age.values().any(|ready| ready == task) {
            return Some(format!("{got}, which wasn't ready"));
        }
        let wanted = self.wanted(*order).filter(|wanted| wanted != task)?;
        let order = order.word();
        Some(format!("{got}, though `{wanted}` was the {order} of {count} ready tasks"))
    }

    fn wanted(&self, order: Order) -> Option<&'a str> {
        let wanted = match order {
            Order::OldestFirst => self.by_age.first_key_value(),
            Order::NewestFirst => self.by_age.last_key_value(),
        };
        wanted.map(|(_, task)| *task)
    }

    fn add(&mut self, task: &'a str) {
        self.ages.insert(task, self.ages.len());
        self.look_at(task);
    }

    fn take(&mut self, task: &'a str) {
        self.taken.insert(task);
        if let Some(age) = self.ages.get(task) {
            self.by_age.remove(age);
        }
    }

    fn complete(&mut self, task: &'a str) {
        self.completed.insert(task);
        for follower in self.followers.get(task).cloned().unwrap_or_default() {
            self.look_at(follower);
        }
    }

    /// Lists the task if it is ready.
    fn look_at(&mut self, task: &'a str) {
        let after = self.after.get(task).copied().unwrap_or_default();
        let is_ready = after.iter().all(|on| self.completed.contains(on.as_str()));
        if let Some(age) = self.ages.get(task)
            && is_ready
            && !self.taken.contains(task)
        {
            self.by_age.insert(*age, task);
        }
    }
}
