//! The commands of the messaging API.

use std::sync::Arc;

use antiphon::Addressing;
use antiphon::Error;
use antiphon::FilterResponse;
use antiphon::SessionId;
use antiphon::Value as Dynamic;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::Agent;
use super::behaviour::Answerer;
use super::behaviour::Behaviour;
use super::forms;
use super::forms::Declared;
use super::forms::Form;
use super::forms::with_declared;

/// A handler. It has no response type: what it answers brings its own.
#[derive(Deserialize)]
pub(super) struct Handling {
    path: String,
    request_type: String,
    behaviour: Behaviour,
    #[serde(default)]
    keys: Vec<String>,
    addressed: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Request {
    path: String,
    #[serde(flatten)]
    form: Form,
    /// That of the request if it is not given.
    response_type: Option<String>,
    session_id: Option<String>,
    filter: Option<String>,
}

impl Request {
    fn response_type(&self) -> &str {
        self.response_type.as_deref().unwrap_or(&self.form.type_name)
    }
}

impl Agent {
    pub(super) async fn register(self: &Arc<Self>, handling: Handling) -> Result<Value, Error> {
        let Handling { path, request_type, behaviour, keys, .. } = handling;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let messaging = self.session().messaging().clone();
        let registration = with_declared!(request_type.as_str(), Q => {
            let answerer = Answerer::<Q>::new(self, behaviour);
            messaging.register_request_handler(&path, answerer, &keys).await?
        });
        self.state().registrations.insert(path, registration);
        Ok(Value::Null)
    }

    pub(super) async fn deregister(&self, path: &str) -> Result<Value, Error> {
        let registration = self.state().registrations.remove(path).expect("a registration");
        registration.close().await?;
        Ok(Value::Null)
    }

    pub(super) fn stream(self: &Arc<Self>, handling: Handling) -> Result<Value, Error> {
        let Handling { path, request_type, behaviour, addressed, .. } = handling;
        let addressing = match addressed {
            None | Some(true) => Addressing::Addressed,
            Some(false) => Addressing::Unaddressed,
        };
        let messaging = self.session().messaging().clone();
        let registration = with_declared!(request_type.as_str(), Q => {
            let answerer = Answerer::<Q>::new(self, behaviour);
            messaging.add_request_handler(&path, answerer, addressing)?
        });
        self.state().streams.push(registration);
        Ok(Value::Null)
    }

    pub(super) async fn request_path(&self, request: Request) -> Result<Value, Error> {
        let value = request.form.decode();
        let messaging = self.session().messaging().clone();
        let response = with_declared!(request.response_type(), R => {
            messaging.send_request_to_path::<R>(&request.path, value).await?.dynamic()
        });
        Ok(forms::encode(&response))
    }

    pub(super) async fn request_session(&self, request: Request) -> Result<Value, Error> {
        let value = request.form.decode();
        let id = request.session_id.as_deref().expect("an addressee");
        let id: SessionId = id.parse().expect("a session id");
        let messaging = self.session().messaging().clone();
        let response = with_declared!(request.response_type(), R => {
            messaging.send_request_to_session::<R>(&request.path, id, value).await?.dynamic()
        });
        Ok(forms::encode(&response))
    }

    /// From here on requests to exactly this filter go by callbacks and not by a stream.
    pub(super) fn filter_handler(self: &Arc<Self>, filter: String) -> Result<Value, Error> {
        let (on_response, on_error) = (Arc::clone(self), Arc::clone(self));
        let (of_response, of_error) = (filter.clone(), filter.clone());
        let handler = self.session().messaging().add_filter_response_handler(
            &filter,
            move |session, response: Dynamic| {
                let outcome = Ok(response);
                on_response.report_outcome(
                    &of_response,
                    FilterResponse { session: Some(session), outcome },
                );
            },
            move |session, error| {
                on_error.report_outcome::<Dynamic>(
                    &of_error,
                    FilterResponse { session, outcome: Err(error) },
                );
            },
        );
        self.state().callbacks.insert(filter, handler);
        Ok(Value::Null)
    }

    pub(super) async fn request_filter(self: &Arc<Self>, request: Request) -> Result<Value, Error> {
        let filter = request.filter.as_deref().expect("a filter");
        let by_callbacks = self.state().callbacks.contains_key(filter);
        let count = if by_callbacks {
            let value = request.form.decode();
            self.session().messaging().send_request_to_filter(filter, &request.path, value).await?
        } else {
            with_declared!(request.response_type(), R => {
                self.request_stream::<R>(filter, &request).await?
            })
        };
        Ok(json!({"count": count}))
    }

    async fn request_stream<R: Declared>(
        self: &Arc<Self>,
        filter: &str,
        request: &Request,
    ) -> Result<usize, Error> {
        let value = request.form.decode();
        let mut responses =
            self.session().messaging().request_filter::<R>(filter, &request.path, value).await?;
        let expected = responses.expected();
        let (agent, filter) = (Arc::clone(self), filter.to_owned());
        tokio::spawn(async move {
            while let Some(response) = responses.next().await {
                agent.report_outcome(&filter, response);
            }
        });
        Ok(expected)
    }

    fn report_outcome<R: Declared>(&self, filter: &str, response: FilterResponse<R>) {
        let mut event = json!({
            "event": "filter_response",
            "filter": filter,
            "session_id": response.session.map(|session| session.to_string()),
        });
        match response.outcome {
            Ok(value) => event["value"] = forms::encode(&value.dynamic()),
            Err(error) => event["error"] = forms::describe(&error),
        }
        self.emit(&event);
    }
}
