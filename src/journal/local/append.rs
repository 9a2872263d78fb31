//! How intents are recorded: together where they are short, and in pieces where they are long.

use super::Local;
use super::key;
use super::pieces::LONGEST_INLINE;
use crate::journal::JournalError;
use crate::journal::exchange::{Appended, Intent};
use crate::journal::intent::Stored;

impl Local {
    pub(super) async fn append(&self, intents: Vec<Intent>) -> Result<Vec<Appended>, JournalError> {
        if intents.is_empty() {
            // Refused where everything is.
            return self.ask(|_, _| Ok(Vec::new())).await;
        }
        let (mut appended, mut short) = (Vec::with_capacity(intents.len()), Vec::new());
        for intent in intents {
            if intent.input.len() <= LONGEST_INLINE {
                short.push(intent);
                continue;
            }
            // In their order: of two under one key, the first is the one that is recorded.
            appended.extend(self.append_short(std::mem::take(&mut short)).await?);
            appended.push(self.append_in_pieces(intent).await?);
        }
        appended.extend(self.append_short(short).await?);
        Ok(appended)
    }

    /// Records intents whose inputs stand in their heads: one request, and so one commit.
    async fn append_short(&self, intents: Vec<Intent>) -> Result<Vec<Appended>, JournalError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(move |plan, now| {
            let append = |mut intent: Intent| {
                let input = Stored::Here(std::mem::take(&mut intent.input));
                plan.append(None, intent, input, now)
            };
            intents.into_iter().map(append).collect()
        })
        .await
    }

    /// Records an intent whose input is written before, in pieces.
    async fn append_in_pieces(&self, mut intent: Intent) -> Result<Appended, JournalError> {
        let (agent, key, digest) = (intent.agent.clone(), intent.key.clone(), intent.digest);
        let look = self.ask(move |plan, now| match plan.look_up(&agent, key.as_deref(), digest)? {
            Some(there) => Ok(Err(there)),
            None => Ok(Ok(plan.stage(None, now)?)),
        });
        let id = match look.await? {
            Ok(id) => id,
            Err(there) => return Ok(there),
        };
        let input = self.put(key::INPUTS, id, std::mem::take(&mut intent.input), None).await?;
        self.ask(move |plan, now| plan.append(Some(id), intent, input, now)).await
    }
}
