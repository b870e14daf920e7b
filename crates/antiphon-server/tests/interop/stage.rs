//! A running server and the agents that join it as sessions.

use std::net::SocketAddr;
use std::ops::Deref;
use std::ops::DerefMut;
use std::time::Duration;

use antiphon_server::Config;
use serde_json::Value;
use serde_json::json;

use crate::agent::Outcome;
use crate::encryption;
use crate::environment;
use crate::pool::Agent;
use crate::proxy::Proxy;
use crate::sdk::Sdk;
use crate::server::TestServer;

/// A deadline for requests that nobody answers: long enough to be seen, short enough to wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// How JavaScript numbers a close by the server that does not invite to come back.
const CLOSED_BY_SERVER: u64 = 1;

/// The milliseconds after which a published SDK tries to come back.
const BEFORE_COMING_BACK: u64 = 5;

/// The password of all stock principals.
const PASSWORD: &str = "password";

/// A server of the test's own. Declare it before the agents, so that it stops after them.
pub(crate) struct Stage {
    server: TestServer,
    encrypted: bool,
}

impl Stage {
    /// Starts a server, unless one of `sdks` cannot run here.
    pub(crate) fn open(sdks: &[Sdk]) -> Option<Self> {
        Self::open_with(sdks, |_| {})
    }

    /// As [`Self::open`], with requests given up after [`SHORT`].
    pub(crate) fn open_impatient(sdks: &[Sdk]) -> Option<Self> {
        Self::open_with(sdks, |config| config.request_timeout = SHORT)
    }

    /// As [`Self::open`], with a configuration of the test's own.
    pub(crate) fn open_with(sdks: &[Sdk], configure: impl FnOnce(&mut Config)) -> Option<Self> {
        let server = environment::has(sdks).then(|| TestServer::start(configure))?;
        Some(Self { server, encrypted: false })
    }

    /// As [`Self::open`], but agents must speak TLS. Not for the Rust SDK's.
    pub(crate) fn open_encrypted(sdks: &[Sdk]) -> Option<Self> {
        let stage = Self::open_with(sdks, |config| config.listeners = vec![encryption::listener()]);
        stage.map(|stage| Self { encrypted: true, ..stage })
    }

    /// Shuts the server down and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// Where the server listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Connects a new session of a stock principal.
    pub(crate) fn join(&self, sdk: Sdk, principal: &str) -> Session {
        self.join_proposing(sdk, principal, json!({}))
    }

    /// As [`Self::join`], proposing these properties.
    pub(crate) fn join_proposing(&self, sdk: Sdk, principal: &str, properties: Value) -> Session {
        let mut session = Session {
            agent: Agent::take(sdk),
            principal: principal.to_owned(),
            properties,
            id: String::new(),
        };
        self.connect(&mut session);
        session
    }

    /// Connects, through `proxy`, a session that comes back when it is cut off.
    pub(crate) fn join_through(&self, proxy: &Proxy, sdk: Sdk, principal: &str) -> Session {
        let mut agent = Agent::take(sdk);
        let parameters = json!({
            "host": proxy.address().ip().to_string(),
            "port": proxy.address().port(),
            "principal": principal,
            "password": PASSWORD,
            "reconnect": BEFORE_COMING_BACK,
        });
        let answer = agent.must("connect", parameters);
        let id = answer["session_id"].as_str().expect("an id is text").to_owned();
        Session { agent, principal: principal.to_owned(), properties: json!({}), id }
    }

    /// Closes the session and opens a new one of the same principal in the same agent.
    pub(crate) fn rejoin(&self, session: &mut Session) {
        session.agent.close();
        self.connect(session);
    }

    /// Tries to connect `agent` with these credentials.
    pub(crate) fn connect_with(&self, agent: &mut Agent, credentials: Value) -> Outcome {
        let mut parameters = credentials;
        parameters["host"] = json!(self.server.address().ip().to_string());
        parameters["port"] = json!(self.server.address().port());
        if self.encrypted {
            parameters["encrypted"] = json!(true);
        }
        agent.call("connect", parameters)
    }

    fn connect(&self, session: &mut Session) {
        let credentials = json!({
            "principal": session.principal,
            "password": PASSWORD,
            "properties": session.properties,
        });
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
    properties: Value,
    id: String,
}

impl Session {
    /// The printed session id.
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    /// Waits until the SDK has told that it lost the connection, where it tells.
    pub(crate) fn expect_cut(&mut self) {
        match self.sdk() {
            Sdk::Js => drop(self.event("disconnected")),
            Sdk::Py612 => self.expect_state("RECOVERING_RECONNECT"),
            Sdk::Py66 | Sdk::Rust => {}
        }
    }

    /// Waits until the SDK has told that it has its session back, where it tells.
    pub(crate) fn expect_back(&mut self) {
        match self.sdk() {
            Sdk::Js => drop(self.event("reconnected")),
            Sdk::Py612 => self.expect_state("CONNECTED_ACTIVE"),
            Sdk::Py66 | Sdk::Rust => {}
        }
    }

    fn expect_state(&mut self, state: &str) {
        while self.event("state")["state"] != state {}
    }

    /// Ends the agent: its connection is lost without a word.
    pub(crate) fn kill(self) {
        self.agent.kill();
    }

    /// Waits until the SDK knows that its session is over, ended by the server.
    pub(crate) fn expect_closed_by_server(&mut self) {
        match self.sdk() {
            Sdk::Js => {
                let closed = self.event("closed");
                assert_eq!(closed["reason"]["id"], CLOSED_BY_SERVER, "{closed}");
            }
            Sdk::Py66 | Sdk::Py612 => {
                assert_eq!(self.must("closed", json!({}))["state"], "CLOSED_BY_SERVER");
            }
            Sdk::Rust => assert_eq!(self.must("closed", json!({}))["state"], "ClosedByServer"),
        }
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
