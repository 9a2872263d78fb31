//! Outcomes as HTTP answers.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use sortie::{Cause, Failure, Outcome};

/// An answer, and how the service counts it.
pub struct Answer {
    pub verdict: Verdict,
    status: StatusCode,
    body: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Failed,
    /// It came while the system was shutting down.
    Refused,
    /// It was under way when the grace was over.
    CutShort,
}

impl Answer {
    /// The outcome of one call.
    pub fn one(outcome: &Outcome<Value>) -> Self {
        let verdict = Verdict::of(outcome);
        match outcome {
            Ok(output) => Self { verdict, status: StatusCode::OK, body: output.clone() },
            Err(failure) => Self { verdict, status: status_of(failure), body: error(failure) },
        }
    }

    /// The outcomes of a fan-out, in their order. Failures among them are part of a good answer, unless the system was
    /// shut down: then the client should ask again, elsewhere, for what is missing.
    pub fn each<T: Serialize>(outcomes: &[Outcome<T>]) -> Self {
        let verdicts = || outcomes.iter().map(Verdict::of);
        let (verdict, status) = if !verdicts().any(Verdict::is_shut_down) {
            (Verdict::Ok, StatusCode::OK)
        } else if verdicts().all(|verdict| verdict == Verdict::Refused) {
            (Verdict::Refused, StatusCode::SERVICE_UNAVAILABLE)
        } else {
            (Verdict::CutShort, StatusCode::SERVICE_UNAVAILABLE)
        };
        let body = outcomes.iter().map(|outcome| match outcome {
            Ok(output) => json!({ "ok": output }),
            Err(failure) => error(failure),
        });
        Self { verdict, status, body: body.collect() }
    }

    pub fn unknown(agent: &str) -> Self {
        let body = json!({ "error": format!("there is no agent `{agent}`"), "code": "unknown_agent" });
        Self { verdict: Verdict::Failed, status: StatusCode::NOT_FOUND, body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let response = (self.status, Json(self.body));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => ([(header::RETRY_AFTER, "1")], response).into_response(),
            _ => response.into_response(),
        }
    }
}

impl Verdict {
    fn of<T>(outcome: &Outcome<T>) -> Self {
        let Err(failure) = outcome else { return Self::Ok };
        match (failure.cause(), failure.attempts()) {
            (Cause::ShutDown { .. }, 0) => Self::Refused,
            (Cause::ShutDown { .. }, _) => Self::CutShort,
            _ => Self::Failed,
        }
    }

    fn is_shut_down(self) -> bool {
        matches!(self, Self::Refused | Self::CutShort)
    }
}

fn error(failure: &Failure) -> Value {
    json!({ "error": failure.cause().to_string(), "code": failure.code(), "attempts": failure.attempts() })
}

fn status_of(failure: &Failure) -> StatusCode {
    match failure.code() {
        "bad_input" => StatusCode::UNPROCESSABLE_ENTITY,
        "timed_out" | "deadline_exceeded" => StatusCode::GATEWAY_TIMEOUT,
        "shut_down" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
