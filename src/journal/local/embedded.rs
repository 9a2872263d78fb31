//! What is a journal because it has a local one.

use std::collections::HashSet;

use futures::stream::{BoxStream, StreamExt};

use super::Local;
use crate::journal::contract::{Answer, Capabilities, Durability, Journal, Scope};
use crate::journal::exchange::{Appended, Claim, Claims, FailedAttempt, Intent, Moved, Refused, Swept, Want};
use crate::journal::intent::Event;
use crate::journal::launch_record::{LaunchCounts, LaunchFilter, LaunchRecord};
use crate::outcome::LaunchId;

/// What is a journal because it has one over a store of this process.
pub trait Embedded: Send + Sync + 'static {
    #[doc(hidden)]
    fn local(&self) -> &Local;

    #[doc(hidden)]
    fn promises(&self) -> Durability;

    /// The journal will be closed as soon as its system has ended.
    #[doc(hidden)]
    fn begin_closing(&self) {}
}

impl<J: Embedded> Journal for J {
    fn start(&self, scope: Scope) -> Answer<'_, ()> {
        Box::pin(self.local().start(scope))
    }

    fn append(&self, intents: Vec<Intent>) -> Answer<'_, Vec<Appended>> {
        Box::pin(self.local().append(intents))
    }

    fn claim<'a>(&'a self, wants: &'a [Want], max: usize) -> Answer<'a, Claims> {
        Box::pin(self.local().claim(wants, max))
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        self.local().changes().boxed()
    }

    fn complete<'a>(&'a self, claim: &'a Claim, output: &'a [u8]) -> Answer<'a, Moved> {
        Box::pin(self.local().complete(claim, output))
    }

    fn fail<'a>(&'a self, claim: &'a Claim, failed: FailedAttempt) -> Answer<'a, Moved> {
        let FailedAttempt { by, message, code, floor, roll } = failed;
        let (epoch, attempt) = (claim.epoch, claim.attempt);
        let event = Event::Fail { epoch, attempt, by, message, code, floor, roll };
        Box::pin(self.local().advance(claim.id, event))
    }

    fn release<'a>(&'a self, claim: &'a Claim, begun: bool) -> Answer<'a, Moved> {
        let event = Event::Release { epoch: claim.epoch, attempt: claim.attempt, begun };
        Box::pin(self.local().advance(claim.id, event))
    }

    fn release_all<'a>(&'a self, agents: &'a [String], begun: &'a [LaunchId]) -> Answer<'a, usize> {
        let (agents, begun) = (agents.to_vec(), begun.iter().copied().collect());
        Box::pin(self.local().ask(move |plan, now| plan.give_back(&agents, &begun, &HashSet::new(), now)))
    }

    fn release_all_but<'a>(
        &'a self,
        agents: &'a [String],
        begun: &'a [LaunchId],
        running: &'a [LaunchId],
    ) -> Answer<'a, Option<usize>> {
        let (agents, begun) = (agents.to_vec(), begun.iter().copied().collect());
        let running = running.iter().copied().collect();
        Box::pin(self.local().ask(move |plan, now| plan.give_back(&agents, &begun, &running, now).map(Some)))
    }

    fn park<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        let fence = claim.into();
        Box::pin(self.local().ask(move |plan, now| Ok(plan.park(fence, now)?.map(drop))))
    }

    fn suspend_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        let fence = claim.into();
        Box::pin(self.local().ask(move |plan, now| plan.suspend_suspect(fence, now)))
    }

    fn resume_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Result<bool, Refused>> {
        let fence = claim.into();
        Box::pin(self.local().ask(move |plan, now| plan.resume_suspect(fence, now)))
    }

    fn cancel(&self, id: LaunchId) -> Answer<'_, Moved> {
        Box::pin(self.local().advance(id, Event::Cancel))
    }

    fn requeue(&self, id: LaunchId) -> Answer<'_, Moved> {
        Box::pin(self.local().advance(id, Event::Requeue))
    }

    fn settle<'a>(&'a self, id: LaunchId, output: &'a [u8]) -> Answer<'a, Moved> {
        Box::pin(self.local().settle(id, output))
    }

    fn discard(&self, id: LaunchId) -> Answer<'_, Moved> {
        Box::pin(self.local().discard(id))
    }

    fn get(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        Box::pin(self.local().ask(move |plan, _| plan.tell(id)))
    }

    fn by_key<'a>(&'a self, agent: &'a str, key: &'a str) -> Answer<'a, Option<LaunchRecord>> {
        let (agent, key) = (agent.to_owned(), key.to_owned());
        Box::pin(self.local().ask(move |plan, _| plan.tell_by_key(&agent, &key)))
    }

    fn scan<'a>(
        &'a self,
        filter: &'a LaunchFilter,
        after: Option<LaunchId>,
        max: usize,
    ) -> Answer<'a, Vec<LaunchRecord>> {
        Box::pin(self.local().scan(filter, after, max))
    }

    fn input(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.local().input(id))
    }

    fn output(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.local().output(id))
    }

    fn ended(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        Box::pin(self.local().ended(id))
    }

    fn sweep(&self, max: usize) -> Answer<'_, Swept> {
        Box::pin(self.local().sweep(max))
    }

    fn counts(&self) -> Option<LaunchCounts> {
        self.local().news.counts()
    }

    fn durability(&self) -> Durability {
        self.promises()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { longest_payload: self.local().longest_payload }
    }

    fn ending(&self) {
        self.begin_closing();
    }

    fn close(&self) {
        self.begin_closing();
        self.local().close();
    }

    fn closed(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.local().closed().await;
            Ok(())
        })
    }
}
