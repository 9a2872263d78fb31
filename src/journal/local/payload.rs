//! How payloads that are too long for one record are written and read: piece by piece, between other requests.

use futures::stream::{self, StreamExt};

use super::Local;
use super::attempts::Fence;
use super::pieces::PIECE;
use super::plan::Plan;
use crate::journal::JournalError;
use crate::journal::intent::Stored;
use crate::outcome::LaunchId;

/// How many pieces are committed or read together, so that a large payload holds nobody up.
const PIECES_AT_ONCE: usize = 64;

/// How many of such parts are asked for at once. They are read by one commit.
const SLICES_AT_ONCE: usize = 64;

impl Local {
    /// Writes a payload in pieces. That of an attempt only as long as this is the one that runs: who settles the launch
    /// afterwards writes under the same keys.
    pub(super) async fn put(
        &self,
        prefix: &'static [u8],
        id: LaunchId,
        payload: Vec<u8>,
        fence: Option<Fence>,
    ) -> Result<Stored, JournalError> {
        let length = payload.len() as u64;
        let mut pieces = payload.chunks(PIECE).map(<[u8]>::to_vec).zip(0..).peekable();
        while pieces.peek().is_some() {
            let some: Vec<_> = pieces.by_ref().take(PIECES_AT_ONCE).collect();
            let put = move |plan: &mut Plan, _| {
                if let Some(Err(_)) = fence.map(|fence| plan.current(fence)).transpose()? {
                    return Ok(false);
                }
                some.iter().try_for_each(|(piece, number)| plan.put_piece(prefix, id, *number, piece))?;
                Ok(true)
            };
            if !self.ask(put).await? {
                // Whoever wants the head to name them is refused.
                break;
            }
        }
        Ok(Stored::InPieces(length))
    }

    /// Reads a payload, wherever it stands.
    pub(super) async fn payload(
        &self,
        prefix: &'static [u8],
        id: LaunchId,
        stored: &Stored,
    ) -> Result<Vec<u8>, JournalError> {
        let length = match stored {
            Stored::Here(payload) => return Ok(payload.clone()),
            Stored::Gone => return Ok(Vec::new()),
            Stored::InPieces(length) => *length,
        };
        let pieces = u32::try_from(length.div_ceil(PIECE as u64)).unwrap_or(u32::MAX);
        let slices = (0..pieces).step_by(PIECES_AT_ONCE).map(|first| {
            let last = first.saturating_add(PIECES_AT_ONCE as u32).min(pieces);
            self.ask(move |plan, _| {
                (first..last).map(|number| plan.piece(prefix, id, number)).collect::<Result<Vec<_>, _>>()
            })
        });
        // In their order and not all at once: the length may be wrong, and then the first piece that is missing ends it.
        let mut slices = stream::iter(slices).buffered(SLICES_AT_ONCE);
        let mut payload = Vec::new();
        while let Some(slice) = slices.next().await {
            payload.extend(slice?.concat());
        }
        Ok(payload)
    }
}
