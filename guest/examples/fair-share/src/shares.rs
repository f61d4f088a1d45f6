//! Who has which share: the setting `shares`, read.

/// Everybody who isn't named.
pub const OTHERS: &str = "*";

/// More would make the round longer than anybody could follow.
const SUM_MAX: i64 = 1_000;

/// Shares in the order of the setting, [`OTHERS`] among them, which alone may be 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    shares: Vec<(String, i64)>,
}

impl Shares {
    /// Reads `ada:3,bob:1`. A name may have colons in it, but no comma.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut shares: Vec<(String, i64)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, share) = part.rsplit_once(':').unwrap_or((part, ""));
            let least = i64::from(name != OTHERS);
            let share = share.trim().parse().ok().filter(|share| (least..=SUM_MAX).contains(share));
            match share {
                None => {
                    return Err(format!(
                        "`shares`: `{part}` isn't `NAME:NUMBER` with a number of 1 or more"
                    ));
                }
                Some(_) if shares.iter().any(|(other, _)| other == name) => {
                    return Err(format!("`shares`: `{name}` is named twice"));
                }
                Some(share) => shares.push((name.to_owned(), share)),
            }
        }
        if !shares.iter().any(|(name, _)| name == OTHERS) {
            shares.push((OTHERS.to_owned(), 1));
        }
        let shares = Self { shares };
        if shares.sum() > SUM_MAX {
            return Err(format!("`shares` add up to {}: {SUM_MAX} is the most", shares.sum()));
        }
        Ok(shares)
    }

    /// Each share, in the order of the setting.
    pub fn each(&self) -> impl Iterator<Item = i64> {
        self.shares.iter().map(|(_, share)| *share)
    }

    /// All shares together: how long a round of turns is.
    pub fn sum(&self) -> i64 {
        self.each().sum()
    }

    /// Which share is this agent's.
    pub fn of(&self, agent: &str) -> usize {
        let named = self.shares.iter().position(|(name, _)| name == agent && name != OTHERS);
        named
            .or_else(|| self.shares.iter().position(|(name, _)| name == OTHERS))
            .unwrap_or_default()
    }

    /// The setting, written in one way only.
    pub fn text(&self) -> String {
        let parts: Vec<_> =
            self.shares.iter().map(|(name, share)| format!("{name}:{share}")).collect();
        parts.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    #[test]
    fn everybody_has_a_share_and_what_is_none_is_refused() {
        let shares = Shares::parse("ada:3, a:b:2").expect("it is well written");
        assert_eq!(shares.text(), "ada:3,a:b:2,*:1");
        assert_eq!(["ada", "a:b", "eve", "*"].map(|name| shares.of(name)), [0, 1, 2, 2]);
        assert_eq!(Shares::parse("*:0,x:1").map(|shares| shares.text()), Ok("*:0,x:1".to_owned()));
        assert_eq!(Shares::parse("").map(|shares| shares.text()), Ok("*:1".to_owned()));
        for wrong in ["ada", "ada:0", "*:-1", "ada:x", "ada:1,ada:2", "ada:600,bob:600"] {
            assert!(Shares::parse(wrong).is_err(), "{wrong}");
        }
    }
}
