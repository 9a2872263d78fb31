//! What says in the log that every slot is held and nothing moves.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep_until;

use super::claims::UnderWay;
use super::slots::LaunchSlots;
use crate::sync::lock;

/// How long every slot is held without any attempt beginning or ending before that is said.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// How many of the launches that hold the slots are named.
const NAMED: usize = 5;

/// Says once of each stall which launches hold the slots. Nothing else is done about it: how long an agent may take is
/// said by its timeout.
pub(super) async fn watch(slots: &LaunchSlots, under_way: &UnderWay) -> Infallible {
    loop {
        let since = slots.filled().await;
        sleep_until(since + STALLED_AFTER).await;
        if slots.full_since() != Some(since) {
            continue;
        }
        let (count, some) = holders(under_way);
        log_warn!(
            slots = count,
            launches = %some,
            "every slot has been held for a minute and no attempt has ended: no other launch of this supervisor runs"
        );
        // Said once, until something moves.
        while slots.full_since() == Some(since) {
            sleep_until(tokio::time::Instant::now() + STALLED_AFTER).await;
        }
    }
}

/// How many launches hold slots, and the names of some of them.
fn holders(under_way: &UnderWay) -> (usize, String) {
    let under_way = lock(under_way);
    let holders = || under_way.values().filter(|claimed| claimed.permit.lease().is_held());
    let name = |claimed: &super::claims::Claimed| format!("{:?} {}", claimed.claim.agent, claimed.claim.id);
    let some: Vec<_> = holders().take(NAMED).map(name).collect();
    (holders().count(), some.join(", "))
}
