//! Whose turn it is.
//!
//! Turns follow one another in a fixed order without end, in which each share comes as often as it should: after any
//! number of turns since the beginning, each has had its part of them within less than one. A turn whose owner isn't
//! asking is passed over and not made up for, so nobody who comes back catches up on what it missed.
//!
//! The order isn't stored. It follows from an account for each share, kept in fractions of a turn so that nothing is
//! ever rounded: with each turn an account gains its share, and whoever has the turn pays the sum of all shares. No
//! account grows: it stays between minus the sum and the sum, and after as many turns as the sum all are 0 again.

use std::fmt;
use std::ops::RangeInclusive;

use crate::shares::Shares;

/// What is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Turns {
    /// The shares that the accounts are for.
    shares: String,
    accounts: Vec<i64>,
    /// Who asks, and when it last did, in milliseconds. Those without a share of their own take turns in this order.
    asking: Vec<(String, u64)>,
}

impl Turns {
    /// What was remembered, if it was for these shares; a beginning otherwise.
    pub fn recall(remembered: Option<&[u8]>, shares: &Shares) -> Self {
        let remembered = remembered.and_then(|bytes| std::str::from_utf8(bytes).ok());
        remembered
            .and_then(Self::parse)
            .filter(|turns| turns.shares == shares.text())
            .unwrap_or_else(|| Self {
                shares: shares.text(),
                accounts: shares.each().map(|_| 0).collect(),
                asking: Vec::new(),
            })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let shares = lines.next()?.to_owned();
        let accounts = lines.next()?.split(' ').map(|account| account.parse().ok());
        let accounts = accounts.collect::<Option<_>>()?;
        let asking = lines.map(|line| {
            let (time, name) = line.split_once(' ')?;
            Some((name.to_owned(), time.parse().ok()?))
        });
        Some(Self { shares, accounts, asking: asking.collect::<Option<_>>()? })
    }

    /// Whoever last asked outside these times isn't asking any more: too long ago, or later than it is, which is so when
    /// the clock was set back.
    pub fn forget_outside(&mut self, times: RangeInclusive<u64>) {
        self.asking.retain(|(_, asked)| times.contains(asked));
    }

    /// This agent isn't asking any more; says whether it was.
    pub fn forget(&mut self, agent: &str) -> bool {
        let before = self.asking.len();
        self.asking.retain(|(name, _)| name != agent);
        self.asking.len() != before
    }

    /// Notes that this agent asks, unless that was noted less than `stale` milliseconds ago; says whether it did.
    pub fn note(&mut self, agent: &str, now: u64, stale: u64) -> bool {
        match self.asking.iter_mut().find(|(name, _)| name == agent) {
            Some((_, asked)) if now.saturating_sub(*asked) < stale => return false,
            Some((_, asked)) => *asked = now,
            None => self.asking.push((agent.to_owned(), now)),
        }
        true
    }

    /// Takes the next turn that isn't passed over; says whose it is. `asker` is among those who ask.
    pub fn take(&mut self, shares: &Shares, asker: &str) -> String {
        // Each share has a turn in every round, so at the latest the asker's own comes by; unless it has no share, and
        // gets what nobody else is asking for.
        for _ in 0..shares.sum() {
            let turn = self.next(shares);
            let owner = self.asking.iter().position(|(name, _)| shares.of(name) == turn);
            if let Some(owner) = owner {
                // The last of those who share a turn is the next to wait longest.
                let owner = self.asking.remove(owner);
                self.asking.push(owner.clone());
                return owner.0;
            }
        }
        asker.to_owned()
    }

    /// Whose share the next turn is. Of those whose account is above zero, and who so aren't ahead already, the one that
    /// must have it soonest so as not to fall behind by a whole turn. (Known as earliest deadline first; that it
    /// never leaves anybody a whole turn ahead or behind is what Baruah and others proved of fair scheduling.)
    fn next(&mut self, shares: &Shares) -> usize {
        let sum = shares.sum();
        for (account, share) in self.accounts.iter_mut().zip(shares.each()) {
            *account += share;
        }
        let mut owed = self.accounts.iter().copied().zip(shares.each()).enumerate();
        let first = owed.find(|(_, (account, _))| *account > 0).unwrap_or_default();
        let later = owed.filter(|(_, (account, _))| *account > 0);
        let (turn, _) = later.fold(first, |soonest, other| {
            let ((_, (account, share)), (_, (its_account, its_share))) = (soonest, other);
            // How many turns are left is `(sum - account) / share`; compared without dividing.
            let is_sooner = (sum - its_account) * share < (sum - account) * its_share;
            if is_sooner { other } else { soonest }
        });
        self.accounts[turn] -= sum;
        turn
    }
}

/// As it is remembered: the shares, the accounts, and a line for each who asks.
impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts: Vec<_> = self.accounts.iter().map(i64::to_string).collect();
        writeln!(f, "{}\n{}", self.shares, accounts.join(" "))?;
        self.asking.iter().try_for_each(|(name, asked)| writeln!(f, "{asked} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The last is everybody else's.
    fn shares(each: &[i64]) -> Shares {
        let named: Vec<_> =
            each.iter().enumerate().map(|(n, share)| format!("a{n}:{share}")).collect();
        Shares::parse(&format!("{},*:1", named.join(","))).expect("they are well written")
    }

    proptest! {
        /// Nobody is ever a whole turn ahead or behind, and a round ends as it began.
        #[test]
        fn accounts_stay_within_one_turn_and_are_even_after_each_round(
            each in proptest::collection::vec(1_i64..60, 1..8),
        ) {
            let shares = shares(&each);
            let mut turns = Turns::recall(None, &shares);
            for _ in 0..shares.sum() {
                turns.next(&shares);
                prop_assert_eq!(turns.accounts.iter().sum::<i64>(), 0);
                prop_assert!(turns.accounts.iter().all(|account| account.abs() < shares.sum()));
            }
            prop_assert_eq!(turns.clone(), Turns::recall(None, &shares));
        }

        #[test]
        fn turns_are_recalled_as_they_were_remembered(
            names in proptest::collection::vec("[a-z :*-]{1,9}[a-z]", 0..5),
        ) {
            let shares = shares(&[3, 2]);
            let mut turns = Turns::recall(None, &shares);
            for (now, name) in names.iter().enumerate() {
                turns.note(name, now as u64, 0);
            }
            turns.next(&shares);
            let text = turns.to_string();
            prop_assert_eq!(Turns::recall(Some(text.as_bytes()), &shares), turns);
        }
    }

    /// Why the promise isn't "within one over any stretch" for all shares: there is no such order. All sequences of
    /// turns are tried, each for as long as it keeps to that.
    #[test]
    fn no_order_at_all_keeps_shares_of_1_2_and_3_within_one_over_every_stretch() {
        fn longest(turns: &mut Vec<usize>) -> usize {
            let mut found = turns.len();
            assert!(found < 60, "there is such an order: {turns:?}");
            for owner in 0..3 {
                turns.push(owner);
                if every_end_is_within_one(turns) {
                    found = found.max(longest(turns));
                }
                turns.pop();
            }
            found
        }
        fn every_end_is_within_one(turns: &[usize]) -> bool {
            (0..turns.len()).all(|start| {
                let stretch = &turns[start..];
                (0..3).all(|owner| {
                    let had = stretch.iter().filter(|turn| **turn == owner).count() as i64;
                    let due = stretch.len() as i64 * (owner as i64 + 1);
                    (had * 6 - due).abs() < 6
                })
            })
        }
        assert!(longest(&mut Vec::new()) < 60);
    }
}
