//! What the service can be asked.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sortie::Phase;

use crate::agents::App;
use crate::answer::Answer;

pub fn of(app: App) -> Router {
    Router::new()
        .route("/review", post(review))
        .route("/agents/{name}", post(call))
        .route("/status", get(status))
        .with_state(app)
}

/// Reviews many texts, and answers for each of them. If the client goes away, axum drops the handler, and with it the run.
async fn review(State(app): State<App>, Json(texts): Json<Vec<String>>) -> Answer {
    app.counts.begin();
    let outcomes = app.system.foreach(texts, &app.review).concurrency(8).settled().await;
    app.counts.end(Answer::each(&outcomes))
}

/// Calls an agent by its name.
async fn call(State(app): State<App>, Path(name): Path<String>, Json(input): Json<Value>) -> Answer {
    app.counts.begin();
    let answer = match app.system.agent(&name) {
        Some(agent) => Answer::one(&app.system.ask(&agent, input).await),
        None => Answer::unknown(&name),
    };
    app.counts.end(answer)
}

/// What the system is doing. 503 says that it takes no requests any more.
async fn status(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let status = app.system.status();
    let code = match status.phase {
        Phase::Running => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let phase = format!("{:?}", status.phase);
    (code, Json(json!({ "phase": phase, "runs": status.runs, "agents": status.agents })))
}
