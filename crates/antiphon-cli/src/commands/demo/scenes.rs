//! The ways to send a request, one after the other, and an error.

use std::time::Instant;

use antiphon::Json;
use antiphon::JsonValue;
use serde_json::json;

use crate::commands::demo::cast::Cast;
use crate::commands::demo::cast::TAKINGS;
use crate::commands::demo::narrator::Narrator;
use crate::failure::Failure;
use crate::failure::Report;

/// To a path: the server picks who answers.
pub(super) async fn path(cast: &Cast, narrator: Narrator) -> Result<(), Failure> {
    narrator.scene(
        "A request to a path",
        "`prices` registered a handler for \"prices\". It answers for all paths below, too. The server finds it.",
    )?;
    let (path, order) = ("prices/tea", json!({ "cups": 2 }));
    narrator.line(format_args!("office asks path \"{path}\" with JSON: {order}"))?;
    let sent = Instant::now();
    let request: JsonValue = Json(order.clone());
    let price: f64 = cast.office.messaging().send_request_to_path(path, request).await?;
    narrator.line(format_args!("answered with a double after {:.1?}: {price}", sent.elapsed()))?;
    narrator.object(&json!({
        "scene": "path", "path": path, "request": order, "type": "double", "response": price,
    }))
}

/// To a session: nobody else may answer.
pub(super) async fn session(cast: &Cast, narrator: Narrator) -> Result<(), Failure> {
    narrator.scene(
        "A request to a session",
        "Each till added a handler for requests that name its session. The server need not know of it.",
    )?;
    let Some(till) = cast.tills.first() else { return Ok(()) };
    let id = till.session.id();
    let name = till.name;
    narrator
        .line(format_args!("office asks {name}, at path \"{TAKINGS}\", with a string: today"))?;
    let sent = Instant::now();
    let messaging = cast.office.messaging();
    let takings: i64 = messaging.send_request_to_session(TAKINGS, id, "today").await?;
    let elapsed = sent.elapsed();
    narrator.line(format_args!("{name} answered with an int64 after {elapsed:.1?}: {takings}"))?;
    narrator.object(&json!({
        "scene": "session", "path": TAKINGS, "session": id.to_string(), "request": "today",
        "type": "int64", "response": takings,
    }))
}

/// To a filter: first how many are asked, then exactly as many outcomes.
pub(super) async fn filter(cast: &Cast, narrator: Narrator) -> Result<(), Failure> {
    let filter = "Country is 'FR'";
    narrator.scene(
        "A request to a filter",
        "It goes to every session whose properties match. First comes their number, then one outcome for each.",
    )?;
    narrator.line(format_args!("office asks filter \"{filter}\", at path \"{TAKINGS}\""))?;
    let messaging = cast.office.messaging();
    let mut responses = messaging.request_filter::<i64>(filter, TAKINGS, "today").await?;
    let expected = responses.expected();
    narrator.line(format_args!("{expected} sessions are asked"))?;
    let mut total = 0;
    while let Some(response) = responses.next().await {
        let takings = response.outcome?;
        total += takings;
        narrator.line(format_args!("{} answered: {takings}", cast.name(response.session)))?;
    }
    narrator.line(format_args!("that is all of them, and makes {total}"))?;
    narrator.object(&json!({
        "scene": "filter", "filter": filter, "path": TAKINGS, "request": "today",
        "expected": expected, "total": total,
    }))
}

/// A request that nobody handles: an error that says what happened.
pub(super) async fn error(cast: &Cast, narrator: Narrator) -> Result<(), Failure> {
    narrator
        .scene("An error", "No request is left without an outcome. Nobody handles this one:")?;
    let path = "weather";
    narrator.line(format_args!("office asks path \"{path}\""))?;
    let Err(error) = cast.office.messaging().send_request_to_path::<String>(path, "?").await else {
        return Ok(());
    };
    narrator.line(format_args!("failed: {error}"))?;
    let code = error.code().unwrap_or_default();
    let retry = if error.may_have_executed() {
        "it may have been executed, so think before you send it again"
    } else {
        "it was certainly not executed, so it is safe to send it again"
    };
    narrator.line(format_args!("code {code}: {retry}"))?;
    narrator.object(&json!({ "scene": "error", "path": path, "error": Report::of(&error) }))
}
