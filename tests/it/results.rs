//! Results by name: by a uri, by a key, and within a time.

use std::time::Duration;

use futures::future::join_all;
use sortie::{
    AgentRef, LaunchId, MemoryJournal, Payload, SledJournal, System, Ticket, TicketError, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::support::{MS, SECOND};

fn sleeper() -> AgentRef<Duration, String> {
    let agent = agent_fn(|time: Duration, _| async move {
        sleep(time).await;
        Ok(format!("{time:?}"))
    });
    AgentRef::new(agent.named("sleeper"))
}

async fn result<O: Payload>(ticket: &Ticket<O>) -> O {
    ticket.result().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_uri_names_a_result_also_in_the_next_process() {
    let directory = Directory::new();
    let start = async || {
        let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
        let agent = builder.register(sleeper());
        (builder.start().await.unwrap(), agent)
    };
    let (system, agent) = start().await;
    let ticket = system.launch(&agent, SECOND).await.unwrap();
    let uri = ticket.uri();
    assert_eq!(uri, format!("sortie://launch/{}", ticket.id()));
    // It waits as the ticket does.
    let began = Instant::now();
    assert_eq!(system.result_of::<String>(&uri).await.unwrap().unwrap(), "1s");
    assert!(began.elapsed() >= SECOND);
    system.shutdown(SECOND).await.unwrap();
    let (system, _agent) = start().await;
    assert_eq!(system.result_of::<String>(&uri).await.unwrap().unwrap(), "1s");
    assert!(matches!(system.result_of::<u32>(&uri).await, Err(TicketError::BadOutput { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_bad_uri_is_refused_with_what_it_was_and_what_it_should_be() {
    let system = System::builder().journal(MemoryJournal::new()).start().await.unwrap();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for bad in [
        String::new(),
        id.to_owned(),
        format!("sortie://launch/{id}x"),
        format!("sortie://launch/{id}/"),
        format!("sortie://launch/{}", id.to_uppercase()),
        format!("sortie://launch/{}", id.replace('-', "")),
        format!("sortie://run/{id}"),
        format!("http://launch/{id}"),
        "sortie://launch/".to_owned(),
    ] {
        let error = system.result_of::<()>(&bad).await.unwrap_err();
        let TicketError::BadUri(named) = &error else { panic!("{bad}: {error:?}") };
        assert_eq!(named.input(), bad);
        let text = error.to_string();
        assert!(text.contains(&format!("`{bad}`")) && text.contains("`Ticket::uri`"), "{text}");
        assert!(LaunchId::from_uri(&bad).is_err());
    }
    let unknown = format!("sortie://launch/{id}");
    let error = system.result_of::<()>(&unknown).await.unwrap_err();
    assert!(matches!(error, TicketError::Unknown(unknown) if unknown.to_string() == id), "{error}");

    let without = System::builder().start().await.unwrap();
    let error = without.result_of::<()>(&unknown).await.unwrap_err();
    assert!(matches!(error, TicketError::NoJournal), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_found_by_its_key() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = builder.register(sleeper());
    let other = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("other"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, SECOND).key("order 7").await.unwrap();
    let found = system.ticket_by_key(&agent, "order 7").await.unwrap().unwrap();
    assert_eq!((found.id(), found.is_known()), (ticket.id(), true));
    assert_eq!(result(&found).await, "1s");
    assert!(system.ticket_by_key(&agent, "order 8").await.unwrap().is_none());
    assert!(system.ticket_by_key(&other, "order 7").await.unwrap().is_none());
    let numbered = system.launch(&other, 9).key(9).await.unwrap();
    assert_eq!(system.ticket_by_key(&other, 9).await.unwrap().unwrap().id(), numbered.id());

    let mut without = System::builder();
    let agent = without.register(sleeper());
    assert!(without.start().await.unwrap().ticket_by_key(&agent, "k").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn s18_a_read_that_takes_too_long_is_an_error_of_its_own() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = builder.register(sleeper());
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, SECOND).await.unwrap();
    // Without waiting: it is not there yet.
    assert!(ticket.try_result().await.unwrap().is_none());
    let began = Instant::now();
    let error = ticket.result_within(300 * MS).await.unwrap_err();
    let limit = 300 * MS;
    assert!(
        matches!(&error, TicketError::TimedOut { id, limit: l } if (*id, *l) == (ticket.id(), limit)),
        "{error:?}"
    );
    assert!((limit..limit + 20 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(error.to_string().contains("no outcome within 300ms"), "{error}");
    // A hundred at once: those that wait long enough get it, and nobody else.
    let readers = (0..100).map(|n: u32| {
        let ticket = ticket.clone();
        async move { ticket.result_within(if n % 2 == 0 { SECOND } else { 200 * MS }).await }
    });
    for (n, read) in join_all(readers).await.into_iter().enumerate() {
        match read {
            Ok(outcome) => assert_eq!((n % 2, outcome.unwrap()), (0, "1s".to_owned())),
            Err(error) => assert!(n % 2 == 1 && matches!(error, TicketError::TimedOut { .. }), "{error}"),
        }
    }
    // Once it is there, no limit is too short.
    assert_eq!(ticket.result_within(Duration::ZERO + MS).await.unwrap().unwrap(), "1s");
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let error = system.ticket::<()>(nobody).unwrap().result_within(SECOND).await.unwrap_err();
    assert!(matches!(error, TicketError::Unknown(id) if id == nobody), "{error}");
}
