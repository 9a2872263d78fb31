//! Whether the facts agree with what is promised.

use std::collections::{BTreeMap, BTreeSet};

use super::log::Fact;
use super::order::Again;
use super::sweeps::Sweeps;
use super::verdict::Verdict;
use super::work::retention;

/// What is known of one key.
#[derive(Debug, Default)]
struct Known {
    /// Whether a launch was called last, and nobody knows what it has returned.
    tried: bool,
    now: Life,
    /// The launches that were under it before, and were removed. The last one was the latest.
    removed: Vec<String>,
    /// How many of these were acknowledged.
    acknowledged: usize,
}

/// What is known of one launch.
#[derive(Debug, Default)]
struct Life {
    /// From the first fact that names it.
    id: Option<String>,
    /// Whether a launch has returned `Ok`.
    acknowledged: bool,
    /// Whether its latest attempt has come to its value. Only then can it be done.
    finished: bool,
    /// The output, once a result was read.
    output: Option<u64>,
    begun: BTreeSet<u32>,
}

/// Holds what is said of one journal against what was said before.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    keys: BTreeMap<u64, Known>,
    opened: u64,
    sweeps: Sweeps,
    lost: BTreeMap<u64, String>,
    twice: BTreeMap<u64, String>,
    unopenable: Vec<String>,
    broken: Vec<String>,
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
            Fact::Try { key } => self.keys.entry(key).or_default().tried = true,
            Fact::Acknowledged { key, id, known } => {
                self.identify(key, &id);
                let of_key = self.keys.entry(key).or_default();
                of_key.tried = false;
                if std::mem::replace(&mut of_key.now.acknowledged, true) && !known {
                    self.lose(key, format!("{id} is new, though it was acknowledged before"));
                }
            }
            Fact::Conflict { key, id } => self.identify(key, &id),
            Fact::Forked { key, id } => self.double(key, format!("another input was launched, as {id}")),
            Fact::Begun { key, id, attempt } => self.begin(key, &id, attempt),
            Fact::Finished { key, id, .. } => {
                self.identify(key, &id);
                self.life(key).finished = true;
            }
            Fact::Done { key, id, output } => {
                self.identify(key, &id);
                let before = self.life(key).output.replace(output);
                if before.is_some_and(|before| before != output) {
                    self.double(key, format!("the result of {id} has changed"));
                }
            }
            Fact::Wrong { key, id } => self.lose(key, format!("the result of {id} belongs to another input")),
            Fact::Failed { key, id, why } => {
                self.lose(key, format!("{id} has ended without a result: {why}"))
            }
            Fact::Unreadable { key, id, why } => self.lose(key, format!("{id} cannot be read: {why}")),
            Fact::There { key, id } => {
                self.identify(key, &id);
                self.sweeps.find(key, &id);
            }
            Fact::Gone { key, id } => {
                let of_key = self.keys.entry(key).or_default();
                if !of_key.removed.contains(&id) {
                    self.identify(key, &id);
                    if !self.retire(key) {
                        self.lose(key, format!("there is no {id}"));
                    }
                }
            }
        }
    }

    fn life(&mut self, key: u64) -> &mut Life {
        &mut self.keys.entry(key).or_default().now
    }

    /// The launch under a key is not there any more, which is as it should be if it can have been done and is not kept.
    /// Otherwise `false`.
    fn retire(&mut self, key: u64) -> bool {
        let of_key = self.keys.entry(key).or_default();
        if retention(key).is_none() || !of_key.now.finished {
            return false;
        }
        let life = std::mem::take(&mut of_key.now);
        of_key.acknowledged += usize::from(life.acknowledged);
        if let Some(id) = life.id {
            self.sweeps.miss(key, &id);
            of_key.removed.push(id);
        }
        true
    }

    fn begin(&mut self, key: u64, id: &str, attempt: u32) {
        self.identify(key, id);
        let life = self.life(key);
        let (done, new) = (life.output.is_some(), life.begun.insert(attempt));
        life.finished = false;
        if done {
            self.double(key, format!("{id} was done, and attempt {attempt} has begun"));
        }
        if !new {
            self.double(key, format!("attempt {attempt} of {id} has begun twice"));
        }
    }

    /// All that is ever said of a key is said of one launch, until that has expired; then of the next one.
    fn identify(&mut self, key: u64, id: &str) {
        let of_key = self.keys.entry(key).or_default();
        if of_key.removed.iter().any(|removed| removed == id) {
            return self.double(key, format!("{id} was removed, and is there again"));
        }
        let first = of_key.now.id.get_or_insert_with(|| id.to_owned()).clone();
        if first == id {
            return;
        }
        if self.retire(key) {
            self.life(key).id = Some(id.to_owned());
        } else {
            self.double(key, format!("it is {first}, and also {id}"));
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
        self.keys.iter().map(|(key, known)| again(*key, known, true)).collect()
    }

    /// A sample of all keys, and those that were tried last and have had no answer. What is to have been removed is only looked
    /// for. No key is there twice: of one that is asked for at two places at once, the facts have no order.
    pub(crate) fn sample(&self, random: &mut fastrand::Rng, size: usize) -> Vec<Again> {
        let mut sample: BTreeMap<u64, bool> = self.sweeps.unknown().keys().map(|key| (*key, false)).collect();
        let random = (0..size).filter_map(|_| self.keys.range(random.u64(0..=self.next())..).next());
        let unanswered = self.keys.iter().filter(|(_, known)| known.tried);
        sample.extend(random.chain(unanswered).map(|(key, _)| (*key, true)));
        let of_key = |(key, launch)| Some(again(key, self.keys.get(&key)?, launch));
        sample.into_iter().filter_map(of_key).collect()
    }

    /// Launches that were done and are not kept, by their keys: whatever sweep comes, it is to remove them.
    pub(crate) fn expired(&self) -> BTreeMap<u64, String> {
        let expired = |(key, known): (&u64, &Known)| {
            let done = retention(*key).is_some() && known.now.output.is_some();
            known.now.id.clone().filter(|_| done).map(|id| (*key, id))
        };
        self.keys.iter().filter_map(expired).collect()
    }

    /// A child was killed when these were to be removed. From now on they are looked for.
    pub(crate) fn end_sweep(&mut self, mut expired: BTreeMap<u64, String>) {
        let all = expired.len();
        expired.retain(|key, id| self.keys.get(key).is_some_and(|known| known.now.id.as_ref() == Some(id)));
        let gone = all - expired.len();
        self.sweeps.begin(expired, gone);
    }

    /// The end of the trial: everything acknowledged must be done by now, if the journal opens.
    pub(crate) fn close(mut self) -> Verdict {
        if !self.is_unopenable() {
            let waiting = |(_, known): &(&u64, &Known)| known.now.acknowledged && known.now.output.is_none();
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
            acknowledged: self.keys.values().map(Known::acknowledged).sum(),
            opened: self.opened,
            removed: self.sweeps.removed,
            cut: self.sweeps.cut(),
            lost,
            twice,
            unopenable,
            findings: findings.collect(),
        }
    }
}

fn again(key: u64, known: &Known, launch: bool) -> Again {
    let id = known.now.id.clone().filter(|_| known.now.acknowledged);
    Again { key, id, removed: known.removed.last().cloned(), launch }
}

impl Known {
    /// How many launches were acknowledged under the key.
    fn acknowledged(&self) -> usize {
        self.acknowledged + usize::from(self.now.acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first key under which launches are kept.
    fn kept() -> u64 {
        (0..).find(|key| retention(*key).is_none()).unwrap_or_default()
    }

    /// The first key under which they are not.
    fn not_kept() -> u64 {
        (0..).find(|key| retention(*key).is_some()).unwrap_or_default()
    }

    fn acknowledged(key: u64, id: &str, known: bool) -> Fact {
        Fact::Acknowledged { key, id: id.into(), known }
    }

    fn begun(key: u64, id: &str, attempt: u32) -> Fact {
        Fact::Begun { key, id: id.into(), attempt }
    }

    fn finished(key: u64, id: &str) -> Fact {
        Fact::Finished { key, id: id.into(), attempt: 1 }
    }

    fn done(key: u64, id: &str, output: u64) -> Fact {
        Fact::Done { key, id: id.into(), output }
    }

    fn there(key: u64, id: &str) -> Fact {
        Fact::There { key, id: id.into() }
    }

    fn gone(key: u64, id: &str) -> Fact {
        Fact::Gone { key, id: id.into() }
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
        for key in [kept(), not_kept()] {
            let facts = [
                Fact::Try { key },
                begun(key, "a", 1), // nobody was told of the launch yet
                Fact::Try { key },
                acknowledged(key, "a", true),
                there(key, "a"),
                begun(key, "a", 3),
                finished(key, "a"),
                Fact::Conflict { key, id: "a".into() },
                done(key, "a", 1),
                acknowledged(key, "a", true),
                done(key, "a", 1),
            ];
            assert_eq!(verdict(facts), [0, 0, 0]);
            assert_eq!(verdict([Fact::Try { key }]), [0, 0, 0], "nothing was promised");
        }
    }

    #[test]
    fn what_is_missing_is_lost() {
        for key in [kept(), not_kept()] {
            let (new, done) = (|| acknowledged(key, "a", false), || done(key, "a", 1));
            let id = || "a".to_owned();
            assert_eq!(verdict([new()]), [1, 0, 0], "it is never done");
            assert_eq!(verdict([new(), finished(key, "a")]), [1, 0, 0], "nobody has seen it done");
            assert_eq!(verdict([new(), gone(key, "a"), done()]), [1, 0, 0]);
            assert_eq!(verdict([new(), new(), done()]), [1, 0, 0], "it was new twice");
            assert_eq!(verdict([new(), Fact::Wrong { key, id: id() }, done()]), [1, 0, 0]);
            let why = || "the process died".to_owned();
            assert_eq!(verdict([new(), Fact::Failed { key, id: id(), why: why() }]), [1, 0, 0]);
            let unreadable = Fact::Unreadable { key, id: id(), why: why() };
            assert_eq!(verdict([new(), unreadable, done()]), [1, 0, 0]);
        }
    }

    #[test]
    fn what_is_there_again_is_recorded_twice() {
        for key in [kept(), not_kept()] {
            let (new, begun) = (|| acknowledged(key, "a", false), |id, attempt| begun(key, id, attempt));
            let (done, id) = (|output| done(key, "a", output), "b".to_owned());
            assert_eq!(verdict([new(), acknowledged(key, "b", true), done(1)]), [0, 1, 0]);
            assert_eq!(verdict([new(), begun("b", 1), done(1)]), [0, 1, 0]);
            assert_eq!(verdict([new(), begun("a", 1), begun("a", 1), done(1)]), [0, 1, 0]);
            assert_eq!(verdict([new(), begun("a", 1), done(1), begun("a", 2)]), [0, 1, 0]);
            assert_eq!(verdict([new(), done(1), done(2)]), [0, 1, 0]);
            assert_eq!(verdict([new(), Fact::Forked { key, id: id.clone() }, done(1)]), [0, 1, 0]);
            assert_eq!(verdict([new(), Fact::Conflict { key, id }, done(1)]), [0, 1, 0]);
        }
    }

    #[test]
    fn what_is_not_kept_may_be_removed_once_it_is_done_and_makes_way() {
        let key = not_kept();
        let first = || [acknowledged(key, "a", false), begun(key, "a", 1), finished(key, "a")];
        let second = || [acknowledged(key, "b", false), begun(key, "b", 1), finished(key, "b")];
        let end = || [done(key, "b", 2)];
        assert_eq!(verdict(first().into_iter().chain([gone(key, "a")])), [0, 0, 0]);
        assert_eq!(verdict(first().into_iter().chain([gone(key, "a"), gone(key, "a")])), [0, 0, 0]);
        assert_eq!(verdict(first().into_iter().chain(second()).chain(end())), [0, 0, 0]);
        let seen = || first().into_iter().chain([done(key, "a", 1), gone(key, "a")]);
        assert_eq!(verdict(seen().chain(second()).chain(end())), [0, 0, 0]);
        assert_eq!(verdict(seen().chain(second())), [1, 0, 0], "the second is a launch like any other");
        let mut judge = Judge::default();
        judge.hear(seen().chain(second()).chain(end()));
        let Verdict { acknowledged, removed, .. } = judge.close();
        assert_eq!((acknowledged, removed), (2, 1));
    }

    #[test]
    fn what_is_kept_or_not_done_must_not_be_removed() {
        let facts =
            |key| [acknowledged(key, "a", false), begun(key, "a", 1), finished(key, "a"), done(key, "a", 1)];
        let key = kept();
        assert_eq!(verdict(facts(key).into_iter().chain([gone(key, "a")])), [1, 0, 0]);
        let another = acknowledged(key, "b", false);
        assert_eq!(verdict(facts(key).into_iter().chain([another])), [1, 1, 0]);
        let key = not_kept();
        let killed = || facts(key).into_iter().take(3).chain([begun(key, "a", 2)]);
        assert_eq!(verdict(killed().chain([gone(key, "a")])), [1, 0, 0], "its second attempt has not ended");
        let begun_only = facts(key).into_iter().take(2);
        assert_eq!(verdict(begun_only.chain([begun(key, "b", 1), done(key, "a", 1)])), [0, 1, 0]);
    }

    #[test]
    fn what_was_removed_stays_away() {
        let key = not_kept();
        let removed = || [acknowledged(key, "a", false), finished(key, "a"), gone(key, "a")].into_iter();
        let id = "a".to_owned();
        assert_eq!(verdict(removed().chain([there(key, "a")])), [0, 1, 0]);
        assert_eq!(verdict(removed().chain([begun(key, "a", 2)])), [0, 1, 0]);
        let known = [acknowledged(key, "a", true), done(key, "a", 1)];
        assert_eq!(verdict(removed().chain(known)), [0, 1, 0]);
        let next = [acknowledged(key, "b", false), done(key, "b", 1), Fact::Conflict { key, id }];
        assert_eq!(verdict(removed().chain(next)), [0, 1, 0]);
    }

    #[test]
    fn what_has_expired_is_looked_for_once_and_what_is_not_answered_is_launched_again() {
        let (key, next) = (not_kept(), kept() + 1000);
        let mut judge = Judge::default();
        judge.hear([
            acknowledged(key, "a", false),
            finished(key, "a"),
            done(key, "a", 1),
            Fact::Try { key: next },
        ]);
        let expired = judge.expired();
        assert_eq!(expired, BTreeMap::from([(key, "a".to_owned())]));
        judge.end_sweep(expired);
        let sample = |judge: &Judge| judge.sample(&mut fastrand::Rng::with_seed(1), 0);
        let launch = Again { key: next, id: None, removed: None, launch: true };
        let look = Again { key, id: Some("a".into()), removed: None, launch: false };
        assert_eq!(sample(&judge), [look, launch.clone()]);
        judge.hear([gone(key, "a")]);
        assert_eq!(sample(&judge), [launch]);
        assert_eq!(judge.all()[0], Again { key, id: None, removed: Some("a".into()), launch: true });
    }

    #[test]
    fn what_does_not_open_is_not_lost_as_well() {
        assert_eq!(verdict([acknowledged(7, "a", false), Fact::Unopenable("damaged".into())]), [0, 0, 1]);
    }
}
