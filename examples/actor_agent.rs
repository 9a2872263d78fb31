//! Actors with a state as agents: sessions that log in once and then fetch many pages, and one cache for everybody. Each
//! loses its connection in the middle, dies of it, and is restarted.
//!
//! ```sh
//! cargo run --release --example actor_agent
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{AgentRef, Backoff, Restart, System, actor};

const MS: Duration = Duration::from_millis(1);

/// A server that wants a login before it answers, and hangs up once. It counts.
struct Server {
    logins: AtomicUsize,
    requests: AtomicUsize,
    hangs_up_at: usize,
}

/// What a login gives.
struct Connection(Arc<Server>);

impl Server {
    fn that_hangs_up_at(request: usize) -> Arc<Self> {
        Arc::new(Self { logins: AtomicUsize::new(0), requests: AtomicUsize::new(0), hangs_up_at: request })
    }

    /// The slow part, which nobody wants to do for every page.
    async fn login(self: Arc<Self>) -> Connection {
        tokio::time::sleep(20 * MS).await;
        self.logins.fetch_add(1, Ordering::SeqCst);
        Connection(self)
    }

    fn counts(&self) -> (usize, usize) {
        (self.logins.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

impl Connection {
    async fn get(&self, path: &str) -> io::Result<String> {
        tokio::time::sleep(2 * MS).await;
        let request = self.0.requests.fetch_add(1, Ordering::SeqCst) + 1;
        if request == self.0.hangs_up_at {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the server has hung up"));
        }
        Ok(format!("what is at {path}"))
    }
}

/// What both actors are asked: a path, and where the answer goes.
struct Fetch(String, RpcReplyPort<String>);

#[cfg(feature = "cluster")]
impl ractor::Message for Fetch {}

/// Logs in when it starts. An error ends it, because a connection that has failed is of no more use.
struct Session;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Session {
    type Msg = Fetch;
    type State = Connection;
    type Arguments = Arc<Server>;

    async fn pre_start(
        &self,
        _: ActorRef<Fetch>,
        server: Arc<Server>,
    ) -> Result<Connection, ActorProcessingErr> {
        Ok(server.login().await)
    }

    async fn handle(
        &self,
        _: ActorRef<Fetch>,
        Fetch(path, reply): Fetch,
        connection: &mut Connection,
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(connection.get(&path).await?)?)
    }
}

/// A session that remembers what it has fetched.
struct Cache;

struct Memory {
    connection: Connection,
    pages: HashMap<String, String>,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Cache {
    type Msg = Fetch;
    type State = Memory;
    type Arguments = Arc<Server>;

    async fn pre_start(&self, _: ActorRef<Fetch>, server: Arc<Server>) -> Result<Memory, ActorProcessingErr> {
        Ok(Memory { connection: server.login().await, pages: HashMap::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<Fetch>,
        Fetch(path, reply): Fetch,
        memory: &mut Memory,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(page) = memory.pages.get(&path) {
            return Ok(reply.send(page.clone())?);
        }
        let page = memory.connection.get(&path).await?;
        memory.pages.insert(path, page.clone());
        Ok(reply.send(page)?)
    }
}

fn paths(count: u32) -> impl Iterator<Item = String> + Send + 'static {
    (0..count).map(|number| format!("/page/{number}"))
}

/// `spawned`: each child of the run has a session of its own. The page whose session ends is tried again with another.
async fn sessions() -> usize {
    let server = Server::that_hangs_up_at(30);
    let recipe = {
        let server = Arc::clone(&server);
        move || (Session, Arc::clone(&server))
    };
    let session = AgentRef::new(actor::spawned("session", recipe, Fetch));
    let restart = Restart::attempts(2).backoff(Backoff::fixed(5 * MS));
    let pages = sortie::foreach(paths(60), &session).concurrency(3).restart(restart).settled().await;

    let fetched = pages.iter().filter(|page| page.is_ok()).count();
    let (logins, requests) = server.counts();
    println!(
        "sessions: {fetched} of 60 pages with {requests} requests of {logins} sessions: 3, and 1 for the one that died"
    );
    logins
}

/// `resident`: one cache for all runs of a system. Its successor knows nothing and learns everything again.
async fn cache() -> Result<usize, Box<dyn Error>> {
    let server = Server::that_hangs_up_at(11);
    let recipe = {
        let server = Arc::clone(&server);
        move || (Cache, Arc::clone(&server))
    };
    let mut builder = System::builder();
    let cache = builder.supervisor("web").resident(actor::resident("cache", recipe, Fetch));
    let system = builder.start().await?;
    let two_readers = || async {
        let read = || system.foreach(paths(10), &cache).all();
        let (one, other) = futures::future::try_join(read(), read()).await?;
        Ok::<_, Box<dyn Error>>(one.len() + other.len())
    };

    println!("cache:    {} pages for two readers, {} requests", two_readers().await?, server.counts().1);
    if let Err(failure) = system.ask(&cache, "/news".to_owned()).await {
        println!("          {failure:#}");
    }
    // Whoever calls now waits until the successor has logged in.
    println!("          {} pages for two readers, {} requests", two_readers().await?, server.counts().1);
    println!("{}", system.status());
    system.shutdown(100 * MS).await?;
    Ok(server.counts().0)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let sessions = sessions().await;
    let caches = cache().await?;
    println!("actor_agent: sessions={sessions} caches={caches}");
    let as_expected = (sessions, caches) == (4, 2);
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
