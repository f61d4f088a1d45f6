//! Which agents a run has: what each is called, can do and asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::str::FromStr;

use taskhost::{Name, SessionOptions};

use crate::exit::Usage;

/// Agents of one kind, as `NAME[:CAP,CAP…][@TYPE,TYPE…][*N]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub name: Name,
    pub capabilities: Vec<Name>,
    /// Only tasks of these types; empty for any.
    pub types: Vec<Name>,
    pub count: NonZeroU16,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: Name,
    pub capabilities: Vec<Name>,
    pub types: Vec<Name>,
}

impl FromStr for Team {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: String| {
            format!(
                "{what}: write `NAME`, `NAME:CAPABILITY,…`, `NAME@TYPE,…` or `NAME*2`, in this order"
            )
        };
        let (rest, count) = match text.rsplit_once('*') {
            Some((rest, count)) => {
                let count = count.parse().map_err(|_| {
                    wrong(format!("`{count}` of `{text}` isn't a number of agents"))
                })?;
                (rest, count)
            }
            None => (text, NonZeroU16::MIN),
        };
        let names = |list: &str| -> Result<Vec<Name>, String> {
            list.split(',')
                .map(|name| Name::new(name).map_err(|error| wrong(error.to_string())))
                .collect()
        };
        let (rest, types) = match rest.split_once('@') {
            Some((rest, types)) => (rest, names(types)?),
            None => (rest, Vec::new()),
        };
        let (name, capabilities) = match rest.split_once(':') {
            Some((name, capabilities)) => (name, names(capabilities)?),
            None => (rest, Vec::new()),
        };
        let name = Name::new(name).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { name, capabilities, types, count })
    }
}

impl Team {
    /// Its agents: `NAME-1`, `NAME-2`, …, or just `NAME` if there is one.
    fn members(&self) -> Result<Vec<Member>, Usage> {
        (1..=self.count.get())
            .map(|number| {
                let name = match self.count.get() {
                    1 => self.name.clone(),
                    _ => Name::new(format!("{}-{number}", self.name))
                        .map_err(|error| Usage(error.to_string()))?,
                };
                let (capabilities, types) = (self.capabilities.clone(), self.types.clone());
                Ok(Member { name, capabilities, types })
            })
            .collect()
    }
}

impl Member {
    /// How its sessions begin.
    pub fn session(&self) -> SessionOptions {
        SessionOptions {
            capabilities: self.capabilities.iter().map(ToString::to_string).collect(),
            ..SessionOptions::new(self.name.as_str())
        }
    }
}

/// The agents of all teams, no two of one name: nobody could tell them apart.
pub fn members(teams: &[Team]) -> Result<Vec<Member>, Usage> {
    let mut members = Vec::new();
    for team in teams {
        members.extend(team.members()?);
    }
    let mut names = BTreeSet::new();
    match members.iter().find(|member| !names.insert(&member.name)) {
        Some(member) => {
            let name = &member.name;
            Err(Usage(format!("two agents would be called `{name}`: give each `--agent` a name")))
        }
        None => Ok(members),
    }
}

/// `TYPE=N`.
pub fn limit(text: &str) -> Result<(Name, u32), String> {
    let wrong = || format!("`{text}` isn't a limit: write `TYPE=N`, with `N` at least 1");
    let (name, most) = text.rsplit_once('=').ok_or_else(wrong)?;
    let most = most.parse().ok().filter(|most| *most > 0).ok_or_else(wrong)?;
    Ok((Name::new(name).map_err(|error| error.to_string())?, most))
}

/// The limits, each type once.
pub fn limits(given: &[(Name, u32)]) -> Result<BTreeMap<Name, u32>, Usage> {
    let mut limits = BTreeMap::new();
    for (name, most) in given {
        if limits.insert(name.clone(), *most).is_some() {
            return Err(Usage(format!("`--limit {name}=…` is given twice: give it once")));
        }
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| Name::new(*text).unwrap()).collect()
    }

    #[track_caller]
    fn check(text: &str, name: &str, capabilities: &[&str], types: &[&str], count: u16) {
        let expected = Team {
            name: Name::new(name).unwrap(),
            capabilities: names(capabilities),
            types: names(types),
            count: NonZeroU16::new(count).unwrap(),
        };
        assert_eq!(text.parse::<Team>().as_ref(), Ok(&expected), "{text}");
    }

    #[test]
    fn team_is_a_name_and_what_it_can_do_takes_and_how_many_it_has() {
        check("cpu", "cpu", &[], &[], 1);
        check("cpu*6", "cpu", &[], &[], 6);
        check("gpu:cuda,big*2", "gpu", &["cuda", "big"], &[], 2);
        check("gpu:cuda@train,test*2", "gpu", &["cuda"], &["train", "test"], 2);
        check("docs@write", "docs", &[], &["write"], 1);
        check("go:tool:go", "go", &["tool:go"], &[], 1);
    }

    #[test]
    fn team_that_could_be_mistaken_is_refused() {
        for text in ["", "*2", "a*0", "a*x", "a*", "a:", "a@", "a:x,,y", "a: x", "a@x,", ":x", "@x"]
        {
            assert!(text.parse::<Team>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_agent_has_a_name_of_its_own() {
        let all = |texts: &[&str]| {
            let teams: Vec<Team> = texts.iter().map(|text| text.parse().unwrap()).collect();
            members(&teams).map(|all| all.iter().map(|it| it.name.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(all(&["a*2", "b"]).unwrap(), ["a-1", "a-2", "b"]);
        assert!(all(&["a", "a:x"]).unwrap_err().0.contains("`a`"));
        assert!(all(&["a*2", "a-2"]).is_err());
    }

    #[test]
    fn limit_is_a_type_and_a_number() {
        assert_eq!(limit("a=b=3"), Ok((Name::new("a=b").unwrap(), 3)));
        for text in ["", "a", "a=", "a=0", "a=-1", "=1", "a=x"] {
            assert!(limit(text).is_err(), "{text}");
        }
        let twice = [limit("a=1").unwrap(), limit("a=2").unwrap()];
        assert!(limits(&twice).unwrap_err().0.contains("`--limit a=…`"));
    }
}
