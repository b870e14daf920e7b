//! A running server and the agents that join it as sessions.

use std::ops::Deref;
use std::ops::DerefMut;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::agent::Outcome;
use crate::environment;
use crate::pool::Agent;
use crate::sdk::Sdk;
use crate::server::TestServer;

/// A deadline for requests that nobody answers: long enough to be seen, short enough to wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// The password of all stock principals.
const PASSWORD: &str = "password";

/// A server of the test's own. Declare it before the agents, so that it stops after them.
pub(crate) struct Stage {
    server: TestServer,
}

impl Stage {
    /// Starts a server, unless one of `sdks` cannot run here.
    pub(crate) fn open(sdks: &[Sdk]) -> Option<Self> {
        environment::has(sdks).then(|| Self { server: TestServer::start(None) })
    }

    /// As [`Self::open`], with requests given up after [`SHORT`].
    pub(crate) fn open_impatient(sdks: &[Sdk]) -> Option<Self> {
        environment::has(sdks).then(|| Self { server: TestServer::start(Some(SHORT)) })
    }

    /// Connects a new session of a stock principal.
    pub(crate) fn join(&self, sdk: Sdk, principal: &str) -> Session {
        let mut session =
            Session { agent: Agent::take(sdk), principal: principal.to_owned(), id: String::new() };
        self.connect(&mut session);
        session
    }

    /// Closes the session and opens a new one of the same principal in the same process.
    pub(crate) fn rejoin(&self, session: &mut Session) {
        session.agent.close();
        self.connect(session);
    }

    /// Tries to connect `agent` with these credentials.
    pub(crate) fn connect_with(&self, agent: &mut Agent, credentials: Value) -> Outcome {
        let mut parameters = credentials;
        parameters["host"] = json!(self.server.address().ip().to_string());
        parameters["port"] = json!(self.server.address().port());
        agent.call("connect", parameters)
    }

    fn connect(&self, session: &mut Session) {
        let credentials = json!({"principal": session.principal, "password": PASSWORD});
        match self.connect_with(&mut session.agent, credentials) {
            Ok(answer) => {
                session.id = answer["session_id"].as_str().expect("an id is text").to_owned()
            }
            Err(failure) => panic!("{} cannot connect: {failure:?}", session.agent.sdk()),
        }
    }
}

/// An agent with a connected session.
pub(crate) struct Session {
    agent: Agent,
    principal: String,
    id: String,
}

impl Session {
    /// The printed session id.
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }
}

impl Deref for Session {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }
}
