//! A web service that embeds a system: it fans out over agents for its requests, calls agents by name, and shuts down in
//! good order.
//!
//! ```sh
//! cargo run --release --example axum_service -- --port 8080 --grace 10s
//! curl -i localhost:8080/review -H content-type:application/json -d '["Good.", "a flaky one", ""]'
//! curl -i localhost:8080/agents/wait -H content-type:application/json -d '{"ms": 500}'
//! curl -i localhost:8080/status
//! ```
//!
//! At Ctrl-C or SIGTERM the *system* shuts down first, while the server goes on: requests under way have the grace, and
//! those that come meanwhile are refused with 503. `/status` says 503 too, so that a load balancer looks elsewhere. Then
//! the server closes its connections. A second signal ends the grace at once.

mod agents;
mod answer;
mod arguments;
mod counts;
mod routes;
mod signals;

use std::net::Ipv4Addr;
use std::time::Duration;

use sortie::System;
use tokio::net::TcpListener;

use crate::agents::App;
use crate::arguments::Arguments;
use crate::signals::Signals;

/// How long connections may stay open that have no request under way, once nothing is left to ask for: half a request
/// never ends.
const LINGER: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { port, grace } = Arguments::parse(std::env::args().skip(1))?;
    // Before anybody can know that the service is there: a signal that comes earlier would just kill the process.
    let signals = Signals::listen()?;
    let app = App::start().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let server = axum::serve(listener, routes::of(app.clone())).with_graceful_shutdown(drained(
        app.system.clone(),
        signals,
        grace,
    ));
    tokio::select! {
        served = server.into_future() => served?,
        () = lingered(&app.system) => {}
    }

    // The answer of the shutdown that has taken place. A system that has failed by itself is an error, and the service
    // manager starts the service again.
    let left = app.system.shutdown(Duration::ZERO).await?;
    println!("{left}");
    println!("axum_service: {}", app.counts);
    Ok(())
}

/// Waits for a signal, and then until the system has shut down; or until the system has failed.
async fn drained(system: System, mut signals: Signals, grace: Duration) {
    tokio::select! {
        () = signals.next() => {}
        _ = system.wait() => return,
    }
    println!("shutting down");
    let end_now = async {
        signals.next().await;
        system.shutdown(Duration::ZERO).await
    };
    // How it ends is for `main` to see.
    tokio::select! {
        _ = system.shutdown(grace) => {}
        _ = end_now => {}
    }
}

/// Waits until the system has ended, and for a moment more.
async fn lingered(system: &System) {
    let _ = system.wait().await;
    tokio::time::sleep(LINGER).await;
}
