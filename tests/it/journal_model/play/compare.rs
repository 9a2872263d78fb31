//! The journal and the model are compared: every record, what is found by id and by key, payloads, and what is left over.

use sortie::journal::{Journal, JournalError, LaunchRecord};
use sortie::{LaunchFilter, LaunchId};

use super::super::Breakable;
use super::super::model::{Launch, Stands, terms};
use super::{Played, Table, agent};

/// What is compared of a launch.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) id: LaunchId,
    words: String,
}

pub(super) fn check(what: &str, holds: bool, detail: impl FnOnce() -> String) -> Played {
    if holds { Ok(()) } else { Err(format!("{what}: {}", detail())) }
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, journal: T, model: T) -> Played {
    let equal = journal == model;
    check(what, equal, || format!("the journal says {journal:?}, the model {model:?}"))
}

impl<B: Breakable> Table<B> {
    pub(super) async fn records(&self) -> Played<Vec<Told>> {
        let told = self.journal.scan(&LaunchFilter::all(), None, usize::MAX).await;
        Ok(told.map_err(|error| error.to_string())?.into_iter().map(told_words).collect())
    }

    /// Compares every record, and one launch as it is found by its id and its key, with its payloads.
    pub(super) async fn compare(&self, position: usize) -> Played {
        for (told, launch) in self.records().await?.iter().zip(&self.model.launches) {
            same("record", told, &words(launch))?;
        }
        same("records", self.records().await?.len(), self.model.launches.len())?;
        let Some(launch) = self.model.launches.get(position % self.model.launches.len().max(1)) else {
            return Ok(());
        };
        let text = |error: JournalError| error.to_string();
        let told = self.journal.get(launch.id).await.map_err(text)?;
        same("get", told.map(told_words), Some(words(launch)))?;
        if let Some(key) = launch.key {
            let told = self.journal.by_key(&agent(launch.agent), &key.to_string()).await.map_err(text)?;
            same("by key", told.map(|told| told.id), Some(launch.id))?;
        }
        self.payloads(launch).await
    }

    async fn payloads(&self, launch: &Launch) -> Played {
        let text = |error: JournalError| error.to_string();
        let gone = matches!(launch.stands, Stands::Done { .. } | Stands::Cancelled(_));
        let input = self.journal.input(launch.id).await.map_err(text)?;
        check("input", input == (!gone).then(|| launch.input.clone()), || launch.id.to_string())?;
        let output = match &launch.stands {
            Stands::Done { output, .. } => Some(output.clone()),
            _ => None,
        };
        let told = self.journal.output(launch.id).await.map_err(text)?;
        check("output", told == output, || launch.id.to_string())
    }

    pub(super) async fn compare_payloads(&self) -> Played {
        for (position, launch) in self.model.launches.iter().enumerate() {
            self.compare(position).await?;
            self.payloads(launch).await?;
        }
        Ok(())
    }

    /// No piece is there that belongs to no payload, and no mark.
    pub(super) fn nothing_is_left(&self) -> Played {
        let Some(store) = self.bench.store() else { return Ok(()) };
        same("marks", store.scan(b"s").unwrap().len(), 0)?;
        let large = |launch: &&Launch| match &launch.stands {
            Stands::Done { output, .. } => output.len() > 1024,
            _ => false,
        };
        let outputs = self.model.launches.iter().filter(large).count();
        same("pieces of outputs", store.scan(b"o").unwrap().len(), 3 * outputs)?;
        let kept = |launch: &&Launch| {
            launch.input.len() > 1024 && !matches!(launch.stands, Stands::Done { .. } | Stands::Cancelled(_))
        };
        let inputs = self.model.launches.iter().filter(kept).count();
        same("pieces of inputs", store.scan(b"i").unwrap().len(), 3 * inputs)
    }
}

/// What the model says of a launch.
pub(super) fn words(launch: &Launch) -> Told {
    let due = match &launch.stands {
        Stands::Waits(Some(wait)) => Some(wait.due),
        _ => None,
    };
    let ended = match &launch.stands {
        Stands::Done { at, .. } | Stands::Dead(at) | Stands::Cancelled(at) | Stands::Ambiguous(at) => {
            Some(*at)
        }
        Stands::Waits(_) | Stands::Runs { .. } => None,
    };
    let unwanted = matches!(launch.stands, Stands::Runs { unwanted: true, .. });
    let history = &launch.history[launch.history.len().saturating_sub(16)..];
    let Launch { recorded, attempts, failures, crashes, suspect, .. } = launch;
    let words = format!(
        "{:?} {:?} {:?} {recorded:?} {due:?} {ended:?} {attempts} {failures} {crashes} {suspect} {unwanted} {history:?} {:?}",
        agent(launch.agent),
        launch.key.map(|key| key.to_string()),
        launch.status(),
        terms(launch.terms),
    );
    Told { id: launch.id, words }
}

/// What the journal says of a launch.
pub(super) fn told_words(record: LaunchRecord) -> Told {
    let history: Vec<_> = record.history.iter().map(|end| (end.attempt, end.by)).collect();
    let LaunchRecord { recorded, due, ended, attempts, failures, crashes, suspect, unwanted, .. } = record;
    let words = format!(
        "{:?} {:?} {:?} {recorded:?} {due:?} {ended:?} {attempts} {failures} {crashes} {suspect} {unwanted} {history:?} {:?}",
        record.agent, record.key, record.status, record.terms,
    );
    Told { id: record.id, words }
}
