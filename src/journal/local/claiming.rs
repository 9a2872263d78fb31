//! How launches are claimed: their attempts begin together, and then their inputs are read.

use futures::future::join_all;

use super::Local;
use super::attempts::{Begun, Fence};
use super::journal::is_damage;
use super::key;
use crate::journal::JournalError;
use crate::journal::exchange::{Claim, Claims, Want};
use crate::journal::terms::Terms;
use crate::user_code::printable;

impl Local {
    pub(super) async fn claim(&self, wants: &[Want], max: usize) -> Result<Claims, JournalError> {
        let (wants, unread) = (wants.to_vec(), self.unread.all());
        let given_back = unread.clone();
        let (begun, next_due) = self
            .ask(move |plan, now| {
                plan.take_back(&unread, now)?;
                let mut begun = plan.claim(&wants, max, now)?;
                for Begun { head, .. } in &mut begun {
                    // Recorded under an old name, perhaps; it is made by the agent of today.
                    head.agent = plan.scope.name_today(&head.agent).to_owned();
                }
                Ok((begun, plan.ledger.next_due(&wants, now)))
            })
            .await?;
        self.unread.remove(&given_back);
        let read = begun.into_iter().map(|begun| async {
            let fence = Fence { id: begun.id, epoch: begun.epoch, attempt: begun.head.attempt };
            self.with_input(begun).await.inspect_err(|_| self.unread.add(fence))
        });
        let (mut claims, mut failed) = (Vec::new(), None);
        for read in join_all(read).await {
            match read {
                Ok(claim) => claims.extend(claim),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if claims.is_empty() => return Err(error),
            // Who claims again finds what could not be read.
            Some(_) => self.news.tell_ready(),
            None => {}
        }
        Ok(Claims { claims, next_due })
    }

    /// The claim of an attempt that has begun; `None` if its input is damaged, and the launch is parked.
    async fn with_input(&self, begun: Begun) -> Result<Option<Claim>, JournalError> {
        let Begun { id, epoch, head } = begun;
        match self.payload(key::INPUTS, id, &head.input).await {
            Ok(input) => Ok(Some(Claim {
                id,
                suspect: head.is_suspect(),
                attempt: head.attempt,
                epoch,
                terms: Terms::from(&head.terms),
                agent: head.agent,
                key: head.key,
                input,
            })),
            Err(error) if is_damage(&error) => {
                log_error!(launch = %id, error = %printable(&error), "an input cannot be read: the launch is parked");
                let fence = Fence { id, epoch, attempt: head.attempt };
                self.ask(move |plan, now| plan.park(fence, now)).await.map(|_| None)
            }
            Err(error) => Err(error),
        }
    }
}
