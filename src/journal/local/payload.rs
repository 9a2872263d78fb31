//! How payloads that are too long for one record are written and read: piece by piece, between other requests.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Local;
use super::attempts::Fence;
use super::pieces::PIECE;
use super::plan::{Plan, damaged};
use crate::journal::JournalError;
use crate::journal::intent::Stored;
use crate::journal::record::RecordError;
use crate::outcome::LaunchId;

/// How many pieces are committed or read together, so that a large payload holds nobody up.
const PIECES_AT_ONCE: usize = 64;

/// How many such reads of one payload are asked for at once. The length of a payload stands in a record and may be nonsense: no
/// more is asked for than this beyond what is there.
const READS_AT_ONCE: usize = 16;

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

    /// Reads a payload, wherever it stands. Its pieces are as long as they were written, and together as long as is recorded;
    /// anything else is damage.
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
                let mut slice = Vec::new();
                for number in first..last {
                    let piece = plan.piece(prefix, id, number)?;
                    let left = length - u64::from(number) * PIECE as u64;
                    if piece.len() as u64 != left.min(PIECE as u64) {
                        return Err(other_length());
                    }
                    slice.extend(piece);
                }
                Ok(slice)
            })
        });
        let mut slices = stream::iter(slices).buffered(READS_AT_ONCE);
        let mut payload = Vec::new();
        while let Some(slice) = slices.try_next().await? {
            payload.extend(slice);
        }
        if payload.len() as u64 == length && length > 0 { Ok(payload) } else { Err(other_length()) }
    }
}

fn other_length() -> JournalError {
    damaged(RecordError::Damaged("the pieces of a payload are not as long as they were"))
}
