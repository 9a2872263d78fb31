//! Whether the facts agree with what is promised.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::log::Fact;
use super::order::Again;

/// How many findings are printed.
const PRINTED: usize = 30;

/// What is known of one key.
#[derive(Debug, Default)]
struct Known {
    /// The launch under it, from the first fact that names one.
    id: Option<String>,
    /// Whether a launch has returned `Ok`.
    acknowledged: bool,
    /// The output, once a result was read.
    output: Option<u64>,
    begun: BTreeSet<u32>,
}

/// Holds what is said of one journal against what was said before.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    keys: BTreeMap<u64, Known>,
    opened: u64,
    lost: BTreeMap<u64, String>,
    twice: BTreeMap<u64, String>,
    unopenable: Vec<String>,
    broken: Vec<String>,
}

/// What a judge has found, or several of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// How many launches were acknowledged.
    pub(crate) acknowledged: usize,
    /// How often the journal was open.
    pub(crate) opened: u64,
    /// Launches that were acknowledged and are missing, or will never be done.
    pub(crate) lost: usize,
    /// Keys with two launches, and launches that were done and ran again, or changed their result.
    pub(crate) twice: usize,
    /// How often the journal could not be opened.
    pub(crate) unopenable: usize,
    /// All of that in words.
    pub(crate) findings: Vec<String>,
}

impl Judge {
    /// Takes facts in their order.
    pub(crate) fn hear(&mut self, facts: impl IntoIterator<Item = Fact>) {
        facts.into_iter().for_each(|fact| self.take(fact));
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Opened => self.opened += 1,
            Fact::Unopenable(why) => self.unopenable.push(why),
            Fact::Broken(what) => self.broken.push(what),
            Fact::Try { key } => drop(self.keys.entry(key).or_default()),
            Fact::Acknowledged { key, id, known } => {
                self.identify(key, &id);
                let was = &mut self.keys.entry(key).or_default().acknowledged;
                if std::mem::replace(was, true) && !known {
                    self.lose(key, format!("{id} is new, though it was acknowledged before"));
                }
            }
            Fact::Conflict { key, id } => self.identify(key, &id),
            Fact::Forked { key, id } => self.double(key, format!("another input was launched, as {id}")),
            Fact::Begun { key, id, attempt } => self.begin(key, &id, attempt),
            Fact::Done { key, id, output } => {
                self.identify(key, &id);
                let before = self.keys.entry(key).or_default().output.replace(output);
                if before.is_some_and(|before| before != output) {
                    self.double(key, format!("the result of {id} has changed"));
                }
            }
            Fact::Wrong { key, id } => self.lose(key, format!("the result of {id} belongs to another input")),
            Fact::Failed { key, id, why } => {
                self.lose(key, format!("{id} has ended without a result: {why}"))
            }
            Fact::Gone { key, id } => self.lose(key, format!("there is no {id}")),
        }
    }

    fn begin(&mut self, key: u64, id: &str, attempt: u32) {
        self.identify(key, id);
        let known = self.keys.entry(key).or_default();
        let (done, new) = (known.output.is_some(), known.begun.insert(attempt));
        if done {
            self.double(key, format!("{id} was done, and attempt {attempt} has begun"));
        }
        if !new {
            self.double(key, format!("attempt {attempt} of {id} has begun twice"));
        }
    }

    /// All that is ever said of a key is said of one launch.
    fn identify(&mut self, key: u64, id: &str) {
        let known = &mut self.keys.entry(key).or_default().id;
        let first = known.get_or_insert_with(|| id.to_owned());
        if first != id {
            let what = format!("it is {first}, and also {id}");
            self.double(key, what);
        }
    }

    fn lose(&mut self, key: u64, what: String) {
        self.lost.entry(key).or_insert(what);
    }

    fn double(&mut self, key: u64, what: String) {
        self.twice.entry(key).or_insert(what);
    }

    /// How often the journal was open.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether the journal is of no further use, because it does not open.
    pub(crate) fn is_unopenable(&self) -> bool {
        !self.unopenable.is_empty()
    }

    /// What happened that no verdict is about, if anything did.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.first().map(String::as_str)
    }

    /// The first key that nobody has tried yet.
    pub(crate) fn next(&self) -> u64 {
        self.keys.last_key_value().map_or(0, |(key, _)| key + 1)
    }

    /// Every key that was tried.
    pub(crate) fn all(&self) -> Vec<Again> {
        self.keys.iter().map(again).collect()
    }

    /// A sample of those that were acknowledged, and all that were tried and have had no answer.
    pub(crate) fn sample(&self, random: &mut fastrand::Rng, size: usize) -> Vec<Again> {
        let mut sample: Vec<_> =
            self.keys.iter().filter(|(_, known)| !known.acknowledged).map(again).collect();
        for _ in 0..size {
            let some = self.keys.range(random.u64(0..=self.next())..).next();
            sample.extend(some.filter(|(_, known)| known.acknowledged).map(again));
        }
        sample
    }

    /// The end of the trial: everything acknowledged must be done by now, if the journal opens.
    pub(crate) fn close(mut self) -> Verdict {
        if !self.is_unopenable() {
            let waiting = |(_, known): &(&u64, &Known)| known.acknowledged && known.output.is_none();
            let never: Vec<_> = self.keys.iter().filter(waiting).map(|(key, _)| *key).collect();
            never.into_iter().for_each(|key| self.lose(key, "it was acknowledged, and is never done".into()));
        }
        let (lost, twice, unopenable) = (self.lost.len(), self.twice.len(), self.unopenable.len());
        let of_key = |what: &'static str, found: BTreeMap<u64, String>| {
            found.into_iter().map(move |(key, why)| format!("{what}: key {key}: {why}"))
        };
        let unopened = self.unopenable.into_iter().map(|why| format!("unopenable: {why}"));
        let findings = of_key("lost", self.lost).chain(of_key("recorded twice", self.twice)).chain(unopened);
        Verdict {
            acknowledged: self.keys.values().filter(|known| known.acknowledged).count(),
            opened: self.opened,
            lost,
            twice,
            unopenable,
            findings: findings.collect(),
        }
    }
}

fn again((key, known): (&u64, &Known)) -> Again {
    Again { key: *key, id: known.id.clone().filter(|_| known.acknowledged) }
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.unopenable == 0
    }

    /// Prints the findings, unless there are too many to be read.
    pub(crate) fn print_findings(&self) {
        self.findings.iter().take(PRINTED).for_each(|finding| println!("{finding}"));
        if self.findings.len() > PRINTED {
            println!("and {} more", self.findings.len() - PRINTED);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.opened += other.opened;
        self.lost += other.lost;
        self.twice += other.twice;
        self.unopenable += other.unopenable;
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost, twice, unopenable, .. } = self;
        write!(f, "acked={acknowledged} lost={lost} recorded_twice={twice} unopenable={unopenable}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(key: u64, id: &str, known: bool) -> Fact {
        Fact::Acknowledged { key, id: id.into(), known }
    }

    fn done(id: &str, output: u64) -> Fact {
        Fact::Done { key: 7, id: id.into(), output }
    }

    fn begun(id: &str, attempt: u32) -> Fact {
        Fact::Begun { key: 7, id: id.into(), attempt }
    }

    /// The counts of lost, recorded twice and unopenable.
    fn verdict(facts: impl IntoIterator<Item = Fact>) -> [usize; 3] {
        let mut judge = Judge::default();
        judge.hear(facts);
        let Verdict { lost, twice, unopenable, .. } = judge.close();
        [lost, twice, unopenable]
    }

    #[test]
    fn a_launch_that_is_killed_twice_and_done_once_is_as_promised() {
        let facts = [
            Fact::Try { key: 7 },
            begun("a", 1), // nobody was told of the launch yet
            Fact::Try { key: 7 },
            acknowledged(7, "a", true),
            begun("a", 3),
            Fact::Conflict { key: 7, id: "a".into() },
            done("a", 1),
            acknowledged(7, "a", true),
            done("a", 1),
        ];
        assert_eq!(verdict(facts), [0, 0, 0]);
        assert_eq!(verdict([Fact::Try { key: 7 }]), [0, 0, 0], "nothing was promised");
    }

    #[test]
    fn what_is_missing_is_lost() {
        let new = || acknowledged(7, "a", false);
        let (key, id) = (7, || "a".to_owned());
        assert_eq!(verdict([new()]), [1, 0, 0], "it is never done");
        assert_eq!(verdict([new(), Fact::Gone { key, id: id() }, done("a", 1)]), [1, 0, 0]);
        assert_eq!(verdict([new(), new(), done("a", 1)]), [1, 0, 0], "it was new twice");
        assert_eq!(verdict([new(), Fact::Wrong { key, id: id() }, done("a", 1)]), [1, 0, 0]);
        let failed = Fact::Failed { key, id: id(), why: "the process died".into() };
        assert_eq!(verdict([new(), failed]), [1, 0, 0]);
    }

    #[test]
    fn what_is_there_again_is_recorded_twice() {
        let new = || acknowledged(7, "a", false);
        let (key, id) = (7, "b".to_owned());
        assert_eq!(verdict([new(), acknowledged(7, "b", true), done("a", 1)]), [0, 1, 0]);
        assert_eq!(verdict([new(), begun("b", 1), done("a", 1)]), [0, 1, 0]);
        assert_eq!(verdict([new(), begun("a", 1), begun("a", 1), done("a", 1)]), [0, 1, 0]);
        assert_eq!(verdict([new(), begun("a", 1), done("a", 1), begun("a", 2)]), [0, 1, 0]);
        assert_eq!(verdict([new(), done("a", 1), done("a", 2)]), [0, 1, 0]);
        assert_eq!(verdict([new(), Fact::Forked { key, id: id.clone() }, done("a", 1)]), [0, 1, 0]);
        assert_eq!(verdict([new(), Fact::Conflict { key, id }, done("a", 1)]), [0, 1, 0]);
    }

    #[test]
    fn what_does_not_open_is_not_lost_as_well() {
        assert_eq!(verdict([acknowledged(7, "a", false), Fact::Unopenable("damaged".into())]), [0, 0, 1]);
    }
}
