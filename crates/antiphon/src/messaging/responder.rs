//! The duty to answer one request, exactly once.

use std::sync::Arc;
use std::thread;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::message::put_error;
use antiphon_wire::message::put_response;
use antiphon_wire::value::Value;

use crate::core::Ticket;
use crate::messaging::handler::Failure;
use crate::messaging::handler::Response;
use crate::shared::Shared;

/// Answers when it is told the outcome, and in any case when it is dropped: a handler that panics, or whose task is
/// ended from outside, leaves no sender waiting.
pub(crate) struct Responder {
    shared: Arc<Shared>,
    ticket: Ticket,
    outcome: Option<Result<Response, Failure>>,
}

impl Responder {
    pub(crate) fn new(shared: Arc<Shared>, ticket: Ticket) -> Self {
        Self { shared, ticket, outcome: None }
    }

    pub(crate) fn answer(mut self, outcome: Result<Response, Failure>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Err(unanswered()));
        let ticket = self.ticket;
        self.shared.change(|core, effects| {
            core.answer(ticket, |out| match &outcome {
                Ok((type_name, bytes)) => {
                    put_response(out, ticket.conversation);
                    Value { type_name, bytes }.encode(out);
                }
                Err(Failure { reason, text }) => {
                    put_error(out, ticket.conversation, *reason, text);
                }
            });
            core.handled(effects);
        });
    }
}

fn unanswered() -> Failure {
    let how = if thread::panicking() { "panicked" } else { "ended without an answer" };
    Failure {
        reason: Reason::CALLBACK_EXCEPTION,
        text: format!("the handler {how}; the request may have been executed"),
    }
}
