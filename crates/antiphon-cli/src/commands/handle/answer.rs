//! How one request is answered.

use std::sync::Arc;
use std::time::Duration;

use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::RequestHandler;
use antiphon::SessionId;
use antiphon::Value;
use serde_json::json;
use tokio::time::sleep;

use crate::arguments::value::TypeFlags;
use crate::commands::handle::exec;
use crate::commands::handle::watch::Watch;
use crate::failure::Failure;
use crate::output::Output;
use crate::values;

/// The handler.
pub(super) struct Answering {
    pub(super) how: How,
    pub(super) delay: Duration,
    pub(super) output: Output,
    pub(super) watch: Arc<Watch>,
}

/// What the answer is.
pub(super) enum How {
    /// The request.
    Echo,
    /// Always this.
    Reply(Value),
    /// What a shell command prints, of the type that is forced or else as it looks.
    Exec { command: String, types: TypeFlags },
    /// A rejection with this text.
    Fail(String),
}

impl RequestHandler for Answering {
    type Request = Value;
    type Response = Value;

    async fn handle(&self, request: Value, context: RequestContext) -> Result<Value, Rejection> {
        let _under_way = self.watch.begin();
        if let Err(failure) = self.show(&request, &context) {
            self.watch.fail(failure);
        }
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        match &self.how {
            How::Echo => Ok(request),
            How::Reply(value) => Ok(value.clone()),
            How::Fail(text) => Err(Rejection::new(text)),
            How::Exec { command, types } => {
                let answered = exec::run(command, &request, &context).await;
                answered.and_then(|printed| types.typed_input(printed)).map_err(Rejection::new)
            }
        }
    }
}

impl Answering {
    /// Prints a request.
    fn show(&self, request: &Value, context: &RequestContext) -> Result<(), Failure> {
        let sender = context.sender().as_ref().map(SessionId::to_string);
        if self.output == Output::Json {
            return self.output.json(&json!({
                "event": "request",
                "path": context.path(),
                "sender": sender,
                "type": values::type_name(request),
                "value": values::to_json(request),
            }));
        }
        let path = values::one_line(context.path());
        let sender = sender.as_deref().unwrap_or("-");
        let (type_name, value) = (values::type_name(request), values::row(request));
        self.output.line(format_args!("{path}\t{sender}\t{type_name}\t{value}"))
    }
}
