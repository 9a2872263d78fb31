//! What every journal keeps, each rule as a script through the public trait.
//!
//! A rule is a function over a `Desk`: the data of a journal, and the clock that its lives are told. All rules are run for
//! each kind of journal. Where a rule needs a second life on the same data, it holds for those whose durability is more than
//! memory; of the others it says so and asks for nothing.

mod append;
mod claim;
mod conclude;
mod decide;
mod lives;
mod look;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sortie::journal::{
    Appended, Claim, Delivery, Due, Durability, EndedBy, FailedAttempt, Intent, Journal, LaunchRecord,
    LaunchStatus, Refused, Scope, Terms, Want,
};
use sortie::{Backoff, JournalErrorKind, LaunchId, MemoryJournal, Restart, SledJournal, WallClock};

use crate::directory::Directory;
use crate::support::{MS, SECOND, wants};

/// A place where journals of one kind keep their data.
pub trait Bench: Default {
    type Journal: Journal;

    /// A journal over the data of this place, for one more life. The one before has ended.
    fn journal(&self) -> Self::Journal;
}

/// Journals in memory: each begins empty.
#[derive(Default)]
pub struct InMemory;

impl Bench for InMemory {
    type Journal = MemoryJournal;

    fn journal(&self) -> MemoryJournal {
        MemoryJournal::new()
    }
}

/// Journals in one directory.
pub struct OnDisk(Directory);

impl Default for OnDisk {
    fn default() -> Self {
        Self(Directory::new())
    }
}

impl Bench for OnDisk {
    type Journal = SledJournal;

    fn journal(&self) -> SledJournal {
        SledJournal::open(self.0.journal()).unwrap()
    }
}

/// Journals in one directory whose answers come before their commits, where that may be.
#[derive(Default)]
pub struct Buffered(OnDisk);

impl Bench for Buffered {
    type Journal = SledJournal;

    fn journal(&self) -> SledJournal {
        self.0.journal().buffered(5 * MS)
    }
}

/// A wall clock that the test steps. It stands still otherwise.
#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }
}

impl Clock {
    pub fn wall(&self) -> WallClock {
        let clock = self.clone();
        WallClock::new(move || clock.now())
    }

    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn forward(&self, span: Duration) {
        self.0.fetch_add(span.as_millis() as u64, Ordering::SeqCst);
    }

    pub fn back(&self, span: Duration) {
        self.0.fetch_sub(span.as_millis() as u64, Ordering::SeqCst);
    }

    /// Time passes, as it does when nobody sets a clock: on this one and on tokio's.
    pub async fn pass(&self, span: Duration) {
        self.forward(span);
        tokio::time::advance(span).await;
    }
}

/// The data of a journal, and the clock that its lives are told.
#[derive(Default)]
pub struct Desk<B> {
    bench: B,
    clock: Clock,
}

impl<B: Bench> Desk<B> {
    /// The next life, of a system with the agents `a` and `b`.
    async fn open(&self) -> B::Journal {
        self.open_with(|_| {}).await
    }

    /// The next life, of a system that differs.
    async fn open_with(&self, change: impl FnOnce(&mut Scope)) -> B::Journal {
        let mut scope = Scope::new(both());
        scope.clock = self.clock.wall();
        change(&mut scope);
        let journal = self.bench.journal();
        journal.start(scope).await.unwrap();
        journal
    }

    /// Ends this life, and begins the next one on the same data; `None` if nothing survives a life of this journal.
    async fn reopen(&self, journal: B::Journal) -> Option<B::Journal> {
        if journal.durability() == Durability::Memory {
            return None;
        }
        end(journal).await;
        Some(self.open().await)
    }
}

/// Ends a life. Attempts that are being made are not concluded.
async fn end(journal: impl Journal) {
    journal.close();
    journal.closed().await.unwrap();
}

fn both() -> Vec<String> {
    vec!["a".to_owned(), "b".to_owned()]
}

/// A launch of an agent: due now, up to three attempts, a second apart.
fn intent(agent: &str, input: impl Into<Vec<u8>>) -> Intent {
    let input = input.into();
    let digest = input.iter().fold(input.len() as u128, |sum, byte| sum.wrapping_mul(31) + u128::from(*byte));
    Intent { agent: agent.to_owned(), key: None, input, digest, due: Due::Now, terms: terms() }
}

fn terms() -> Terms {
    Terms { restart: Restart::attempts(3).backoff(Backoff::fixed(SECOND)), ..Terms::default() }
}

/// The same launch under a key.
fn keyed(key: &str, intent: Intent) -> Intent {
    Intent { key: Some(key.to_owned()), ..intent }
}

fn due(due: Due, intent: Intent) -> Intent {
    Intent { due, ..intent }
}

fn on(terms: Terms, intent: Intent) -> Intent {
    Intent { terms, ..intent }
}

fn at_most_once(intent: Intent) -> Intent {
    on(Terms { delivery: Delivery::AtMostOnce, ..terms() }, intent)
}

/// Bytes that differ from piece to piece.
fn large(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at) as u8).collect()
}

async fn answers(journal: &impl Journal, intents: impl Into<Vec<Intent>>) -> Vec<Appended> {
    journal.append(intents.into()).await.unwrap()
}

/// Records a launch that is new.
async fn record(journal: &impl Journal, intent: Intent) -> LaunchId {
    let answers = answers(journal, [intent]).await;
    let [Appended::New(id)] = answers[..] else { panic!("{answers:?}") };
    id
}

/// Claims at most `max` launches of both agents.
async fn claims(journal: &impl Journal, max: usize) -> Vec<Claim> {
    journal.claim(&wants(&both()), max).await.unwrap().claims
}

/// Claims the only launch that can be claimed.
async fn claim(journal: &impl Journal) -> Claim {
    let mut claims = claims(journal, 9).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

/// Records a launch and claims it.
async fn claimed(journal: &impl Journal, intent: Intent) -> Claim {
    let id = record(journal, intent).await;
    let claim = claim(journal).await;
    assert_eq!(claim.id, id);
    claim
}

fn failed(by: EndedBy) -> FailedAttempt {
    FailedAttempt { by, message: "why".to_owned(), code: None, floor: Duration::ZERO, roll: 0.0 }
}

async fn get(journal: &impl Journal, id: LaunchId) -> LaunchRecord {
    journal.get(id).await.unwrap().unwrap()
}

async fn status(journal: &impl Journal, id: LaunchId) -> LaunchStatus {
    get(journal, id).await.status
}

/// The identity of a launch that nobody has recorded.
fn nobody() -> LaunchId {
    "00000000-0000-7000-8000-000000000001".parse().unwrap()
}

/// The rules, as tests for each kind of journal. A rule that is not listed is dead code, which is denied.
macro_rules! rules {
    ($($module:ident: $($rule:ident)*;)*) => {
        mod in_memory {
            use super::*;
            $($(#[tokio::test(start_paused = true)]
            async fn $rule() {
                $module::$rule(Desk::<InMemory>::default()).await;
            })*)*
        }

        mod on_disk {
            use super::*;
            $($(#[tokio::test(start_paused = true)]
            async fn $rule() {
                $module::$rule(Desk::<OnDisk>::default()).await;
            })*)*
        }

        mod buffered {
            use super::*;
            $($(#[tokio::test(start_paused = true)]
            async fn $rule() {
                $module::$rule(Desk::<Buffered>::default()).await;
            })*)*
        }
    };
}

rules! {
    append:
        answers_are_in_the_order_of_the_intents
        the_first_of_a_batch_under_a_key_is_the_one_that_is_recorded
        a_key_stands_for_one_launch_of_its_agent
        launches_beyond_the_bound_are_refused_each_for_itself
        inputs_of_any_length_come_back
        a_conflict_leaves_nothing_of_a_large_input
        what_was_said_when_it_was_recorded_is_told
        a_launch_waits_for_its_span_whatever_the_wall_clock_does
        a_launch_waits_for_its_time
        the_longest_names_and_the_longest_history_fit;
    claim:
        a_claim_says_what_is_to_be_done
        nothing_is_claimed_twice
        at_most_so_many_are_claimed
        only_launches_of_these_agents_are_claimed
        agents_take_turns
        within_an_agent_it_is_priority_then_due_time_then_age
        every_eighth_start_is_the_oldest
        inputs_are_read_with_the_claim
        the_next_due_time_is_that_of_the_wanted_agents
        who_waits_for_a_time_wants_the_clock_to_be_looked_at
        no_more_are_claimed_of_an_agent_than_are_wanted
        a_lane_has_one_launch_at_a_time_in_the_order_of_their_records
        changes_tell_what_can_be_claimed
        changes_tell_what_came_since_they_were_polled
        changes_end_with_the_journal;
    conclude:
        a_value_ends_a_launch
        outputs_of_any_length_come_back
        failures_are_counted_until_the_launch_is_dead
        only_causes_of_the_policy_are_worth_another_attempt
        an_attempt_may_ask_for_a_longer_wait
        at_most_once_the_first_attempt_decides
        an_attempt_that_is_given_back_counts_for_nothing
        every_attempt_of_an_agent_is_given_back
        what_is_parked_is_not_claimed_again_in_this_life
        an_attempt_is_concluded_once
        of_two_conclusions_at_once_one_counts
        who_is_refused_leaves_the_output_of_the_other_alone
        a_launch_that_waits_is_cancelled_at_once
        a_launch_that_runs_is_cancelled_when_its_attempt_ends
        a_dead_launch_gets_a_new_series_of_attempts
        what_has_a_future_is_not_requeued
        what_awaits_a_decision_is_settled
        what_awaits_a_decision_is_discarded;
    decide:
        who_waits_for_a_decision_is_settled
        of_two_who_settle_at_once_one_counts
        what_is_discarded_is_unknown_and_its_key_is_free
        what_waits_for_no_decision_is_neither_settled_nor_discarded
        what_is_parked_is_discarded_and_who_waits_for_it_is_told
        launches_of_a_renamed_agent_are_its_own;
    look:
        a_launch_is_found_by_id_and_by_key
        long_messages_are_cut_where_a_character_ends
        a_page_is_what_is_meant_beyond_a_launch
        inputs_go_and_outputs_come_with_the_end
        everybody_who_waits_hears_of_the_end
        who_stops_waiting_does_not_disturb_the_others
        an_end_that_was_taken_back_wakes_nobody_for_ever
        every_end_is_told
        what_is_over_goes_when_its_retention_is
        what_is_dead_goes_only_if_the_life_says_so_and_then_with_all_it_had
        it_is_counted_how_launches_stand;
    lives:
        before_its_start_a_journal_is_closed
        after_its_end_a_journal_is_closed
        a_journal_starts_once
        what_waits_for_a_launch_ends_with_the_journal
        a_life_raises_the_epoch_and_refuses_the_claims_of_the_last
        what_ran_when_a_life_ended_has_crashed
        a_launch_that_was_cancelled_while_it_ran_does_not_run_again
        suspects_run_one_at_a_time_beside_the_others
        a_suspect_that_crashes_too_often_is_dead
        a_suspect_that_waits_makes_way_and_goes_on_when_no_other_runs
        a_suspect_that_waits_is_not_counted_for_a_death_of_the_process
        a_suspect_that_is_given_back_while_it_waits_stays_a_suspect
        who_is_no_suspect_is_neither_suspended_nor_resumed
        an_attempt_that_ends_by_itself_clears_of_suspicion
        what_was_recorded_is_there_in_the_next_life
        a_wait_goes_on_in_the_next_life
        what_this_process_cannot_run_waits_for_one_that_can
        half_a_large_input_is_no_launch;
}
