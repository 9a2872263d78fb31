//! What stands in a record with a right checksum is not believed without bounds: what is read, asked for and held in memory
//! is bounded by what is there.

use std::time::Duration;

use futures::future::join_all;
use sortie::journal::{Appended, Due, Intent, Journal, Scope, Terms};
use sortie::probe::{Sample, Shelf, ShelfJournal};
use sortie::{JournalErrorKind, LaunchId, LaunchStatus};

use crate::support::wants;

/// The agent of every [`Sample`].
const AGENT: &str = "agent";
/// The bytes of a piece that is not the last one of its payload.
const PIECE: usize = 4000;
/// More values than any of these payloads has pieces, and fewer than its length asks for.
const MANY: usize = 2000;

fn id(number: u128) -> LaunchId {
    uuid::Uuid::from_u128(number).to_string().parse().unwrap()
}

fn key(prefix: &[u8], id: LaunchId) -> Vec<u8> {
    [prefix, &id.as_u128().to_be_bytes()].concat()
}

fn piece_key(id: LaunchId, number: u32) -> Vec<u8> {
    [&key(b"i", id)[..], &number.to_be_bytes()].concat()
}

/// A shelf with a launch whose input is said to have this length, and has these pieces.
fn shelf(length: u64, pieces: &[usize]) -> Shelf {
    let (shelf, head) = (Shelf::default(), key(b"h", id(1)));
    let record = Sample::new(3, false).with_input_in_pieces(length).record(&head);
    let mut store = shelf.store();
    store.commit(&[(&head, Some(&record))]).unwrap();
    for (number, length) in (0..).zip(pieces) {
        let key = piece_key(id(1), number);
        store.commit(&[(&key, Some(&Sample::piece(&key, &vec![b'1'; *length])))]).unwrap();
    }
    shelf
}

async fn start(shelf: &Shelf) -> ShelfJournal {
    let journal = shelf.journal();
    journal.start(Scope::new([AGENT.to_owned()])).await.unwrap();
    journal
}

fn intent(key: &str) -> Intent {
    let (agent, key, input) = (AGENT.to_owned(), Some(key.to_owned()), vec![b'1']);
    Intent { agent, key, input, digest: 1, due: Due::Now, terms: Terms::default() }
}

#[tokio::test(start_paused = true)]
async fn the_length_of_a_payload_asks_for_no_more_than_there_is() {
    for length in [u64::MAX, 1 << 40, 4_000_000_000, 300_000_000, 12_001, 11_999, 7999, 1, 0] {
        let shelf = shelf(length, &[PIECE, PIECE, PIECE]);
        let journal = start(&shelf).await;
        let before = shelf.reads();
        let read = journal.input(id(1)).await;
        assert!(shelf.reads() - before < MANY, "{length}: {} reads", shelf.reads() - before);
        match read {
            Ok(input) => panic!("{length}: {:?} bytes were read", input.map(|input| input.len())),
            Err(error) => assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{length}: {error:#}"),
        }
        // The launch is set apart, and the others go on.
        let Appended::New(other) = journal.append(vec![intent("other")]).await.unwrap()[0] else { panic!() };
        let before = shelf.reads();
        let claims = journal.claim(&wants(&[AGENT.to_owned()]), 2).await.unwrap().claims;
        assert!(shelf.reads() - before < MANY, "{length}: {} reads", shelf.reads() - before);
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [other], "{length}");
        assert_eq!(journal.get(id(1)).await.unwrap().unwrap().status, LaunchStatus::Parked, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_of_other_lengths_than_were_written_are_damage() {
    for pieces in [
        &[PIECE - 1, PIECE + 1, 10][..],
        &[PIECE, 4020, 10],
        &[10, PIECE, PIECE],
        &[PIECE, PIECE],
        &[0, 0, 0],
    ] {
        let shelf = shelf(8010, pieces);
        let journal = start(&shelf).await;
        let error = journal.input(id(1)).await.unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{pieces:?}: {error:#}");
    }
    let shelf = shelf(8010, &[PIECE, PIECE, 10]);
    assert_eq!(start(&shelf).await.input(id(1)).await.unwrap().unwrap().len(), 8010);
}

#[tokio::test(start_paused = true)]
async fn a_long_payload_is_read_as_a_whole() {
    let pieces = vec![PIECE; 4000];
    let shelf = shelf(4000 * PIECE as u64, &pieces);
    let journal = start(&shelf).await;
    let reads = join_all((0..3).map(|_| journal.input(id(1)))).await;
    for input in reads {
        assert_eq!(input.unwrap().unwrap().len(), 4000 * PIECE);
    }
}

#[tokio::test(start_paused = true)]
async fn ids_at_the_end_of_their_range_leave_room_for_others() {
    for last in [u128::MAX, u128::MAX - 1, u128::MAX - (1 << 32), u128::MAX >> 1] {
        let shelf = Shelf::default();
        let last = id(last);
        let head = key(b"h", last);
        shelf.store().commit(&[(&head, Some(&Sample::new(3, false).record(&head)))]).unwrap();
        let journal = start(&shelf).await;
        let keys: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        let answers = journal.append(keys.iter().map(|key| intent(key)).collect()).await.unwrap();
        let mut ids = vec![last];
        for answer in answers {
            let Appended::New(id) = answer else { panic!("{answer:?}") };
            assert!(!ids.contains(&id), "{id} stands for two launches");
            ids.push(id);
        }
        tokio::time::timeout(Duration::from_secs(1), journal.get(last)).await.unwrap().unwrap().unwrap();
    }
}
