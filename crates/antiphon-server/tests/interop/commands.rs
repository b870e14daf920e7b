//! The commands that agents understand, as methods.

use serde_json::Value;
use serde_json::json;

use crate::agent::Driver;
use crate::agent::Failure;
use crate::agent::Outcome;
use crate::agent::Pending;

/// Who handles what, where.
pub(crate) struct Handler<'a> {
    pub(crate) path: &'a str,
    pub(crate) request_type: &'a str,
    pub(crate) response_type: &'a str,
    pub(crate) behaviour: Value,
}

impl<'a> Handler<'a> {
    /// A handler of requests and responses of one type.
    pub(crate) const fn of(type_name: &'a str, path: &'a str, behaviour: Value) -> Self {
        Self { path, request_type: type_name, response_type: type_name, behaviour }
    }

    fn parameters(self) -> Value {
        json!({
            "path": self.path,
            "request_type": self.request_type,
            "response_type": self.response_type,
            "behaviour": self.behaviour,
        })
    }
}

impl Driver {
    /// Sends a command and waits for its answer.
    pub(crate) fn call(&mut self, command: &str, parameters: Value) -> Outcome {
        let pending = self.send(command, parameters);
        self.wait(pending)
    }

    /// As [`Self::call`], for commands that have to succeed.
    pub(crate) fn must(&mut self, command: &str, parameters: Value) -> Value {
        let sdk = self.sdk();
        self.call(command, parameters)
            .unwrap_or_else(|failure| panic!("{sdk} could not {command}: {failure:?}"))
    }

    pub(crate) fn ping(&mut self) {
        self.must("ping", json!({}));
    }

    pub(crate) fn close(&mut self) {
        self.must("close", json!({}));
    }

    /// Registers a request handler with the server.
    pub(crate) fn try_register(&mut self, handler: Handler<'_>) -> Outcome {
        self.call("register", handler.parameters())
    }

    pub(crate) fn register(&mut self, handler: Handler<'_>) {
        self.must("register", handler.parameters());
    }

    /// Registers a handler that wants these session properties of every sender.
    pub(crate) fn register_with_keys(&mut self, handler: Handler<'_>, keys: &[&str]) {
        let mut parameters = handler.parameters();
        parameters["keys"] = json!(keys);
        self.must("register", parameters);
    }

    /// Sets a local handler of requests that are addressed to the session.
    pub(crate) fn stream(&mut self, handler: Handler<'_>) {
        self.must("stream", handler.parameters());
    }

    pub(crate) fn send_to_path(&mut self, path: &str, value: &Value) -> Pending {
        self.send(
            "request_path",
            json!({"path": path, "type": value["type"], "value": value["value"]}),
        )
    }

    pub(crate) fn request_path(&mut self, path: &str, value: &Value) -> Outcome {
        let pending = self.send_to_path(path, value);
        self.wait(pending)
    }

    pub(crate) fn send_to_session(
        &mut self,
        session_id: &str,
        path: &str,
        value: &Value,
    ) -> Pending {
        let parameters = json!({"path": path, "session_id": session_id, "type": value["type"], "value": value["value"]});
        self.send("request_session", parameters)
    }

    pub(crate) fn request_session(
        &mut self,
        session_id: &str,
        path: &str,
        value: &Value,
    ) -> Outcome {
        let pending = self.send_to_session(session_id, path, value);
        self.wait(pending)
    }

    /// Sends to a filter; the number of sessions addressed. Python needs a handler for the
    /// responses, kept under the filter's exact text.
    pub(crate) fn request_filter(
        &mut self,
        filter: &str,
        path: &str,
        value: &Value,
    ) -> Result<u64, Failure> {
        if self.sdk().is_python() {
            self.must("filter_handler", json!({"filter": filter}));
        }
        self.request_filter_unhandled(filter, path, value)
    }

    /// As [`Self::request_filter`], in Python without a handler for the responses.
    pub(crate) fn request_filter_unhandled(
        &mut self,
        filter: &str,
        path: &str,
        value: &Value,
    ) -> Result<u64, Failure> {
        let parameters =
            json!({"filter": filter, "path": path, "type": value["type"], "value": value["value"]});
        let answer = self.call("request_filter", parameters)?;
        Ok(answer["count"].as_u64().expect("a count is a number"))
    }
}
