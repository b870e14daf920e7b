//! Looking at other sessions and closing them. Sending requests to them is in `messaging`.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession as WireSession;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::SessionFetch;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::session::Handle;
use crate::session::optional_properties;
use crate::session::owned;

/// What a session can do with others; see [`Session::clients`](crate::Session::clients).
#[derive(Debug, Clone)]
pub struct Clients {
    handle: Handle,
}

/// Sessions that match a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedSessions {
    /// Those that were told, in the order of their start.
    pub sessions: Vec<FetchedSession>,
    /// How many match, told or not.
    pub total: u32,
}

/// A session that matches a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedSession {
    /// Which session.
    pub id: SessionId,
    /// When it was opened.
    pub start_time: SystemTime,
    /// The properties that were asked for, as far as it has them.
    pub properties: BTreeMap<String, String>,
}

impl Clients {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Lists the sessions that match a filter, at most `limit`, with the properties of these keys.
    /// [`ALL_FIXED_PROPERTIES`](crate::ALL_FIXED_PROPERTIES) and
    /// [`ALL_USER_PROPERTIES`](crate::ALL_USER_PROPERTIES) may be among the keys. With limit 0 it only counts them.
    ///
    /// # Errors
    /// [`InvalidFilter`](ErrorKind::InvalidFilter), [`AccessDenied`](ErrorKind::AccessDenied) without the permission
    /// VIEW_SESSION, and what can befall every call.
    pub async fn fetch(
        &self,
        filter: &str,
        properties: &[&str],
        limit: u32,
    ) -> Result<FetchedSessions, Error> {
        let mut keys = properties.to_vec();
        let told = [SESSION_ID, crate::ALL_FIXED_PROPERTIES];
        if !keys.iter().any(|key| told.contains(key)) {
            keys.push(SESSION_ID);
        }
        let body = |out: &mut Vec<u8>| {
            SessionFetch {
                filter,
                keys: Some(keys.clone()),
                from: None,
                to: None,
                limit: Some(limit),
                maximum_size: MOST_BYTES,
                with_start_time: true,
            }
            .encode(out);
        };
        let handle = &self.handle;
        let answer = handle.shared().call(Service::SessionFetch, handle.deadline(), body).await?;
        match Fetched::decode_all(&answer)? {
            Fetched::Sessions { sessions, total } => {
                let wants_id = properties.iter().any(|key| told.contains(key));
                let sessions = sessions.iter().map(|one| FetchedSession::of(one, wants_id));
                Ok(FetchedSessions { sessions: sessions.collect::<Result<_, _>>()?, total })
            }
            Fetched::Refused(reports) => Err(Error::invalid_filter(&reports)),
        }
    }

    /// The properties of one session.
    ///
    /// # Errors
    /// [`NoSuchSession`](ErrorKind::NoSuchSession), [`AccessDenied`](ErrorKind::AccessDenied) without the permission
    /// VIEW_SESSION, and what can befall every call.
    pub async fn properties(
        &self,
        session: SessionId,
        keys: &[&str],
    ) -> Result<BTreeMap<String, String>, Error> {
        let body = |out: &mut Vec<u8>| {
            GetSessionProperties { session, keys: keys.to_vec() }.encode(out);
        };
        let deadline = self.handle.deadline();
        let service = Service::GetSessionProperties;
        let answer = self.handle.shared().call(service, deadline, body).await?;
        let properties = optional_properties(&answer)?
            .ok_or_else(|| Error::new(ErrorKind::NoSuchSession, format!("no session {session}")))?;
        Ok(owned(&properties))
    }

    /// Closes a session.
    ///
    /// # Errors
    /// [`NoSuchSession`](ErrorKind::NoSuchSession), [`AccessDenied`](ErrorKind::AccessDenied) without the permission
    /// MODIFY_SESSION, and what can befall every call.
    pub async fn close(&self, session: SessionId) -> Result<(), Error> {
        let body = |out: &mut Vec<u8>| CloseClient { session }.encode(out);
        let deadline = self.handle.deadline();
        self.handle.shared().call(Service::CloseClient, deadline, body).await.map(drop)
    }
}

impl FetchedSession {
    fn of(told: &WireSession<'_>, wants_id: bool) -> Result<Self, Error> {
        let mut properties = owned(&told.properties);
        let id = properties.get(SESSION_ID).and_then(|id| id.parse().ok()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidData, "the server lists a session without its id")
        })?;
        if !wants_id {
            properties.remove(SESSION_ID);
        }
        let since = Duration::from_millis(told.start_time.unwrap_or_default());
        Ok(Self { id, start_time: UNIX_EPOCH + since, properties })
    }
}

const SESSION_ID: &str = "$SessionId";

/// The answer is to fit into one message of a session with default limits.
const MOST_BYTES: u32 = 8 << 20;
