//! Requests to a path and to a session, and the bodies of all three ways.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;

use crate::error::Error;
use crate::messaging::Messaging;
use crate::value::DataType;
use crate::value::ToValue;
use crate::value::ValueError;

impl Messaging {
    pub(crate) async fn ask_path<R: DataType>(
        &self,
        path: &str,
        request: impl ToValue,
    ) -> Result<R, Error> {
        let (type_name, bytes) = encode(&request)?;
        let body = |out: &mut Vec<u8>| {
            SendRequest { path, value: Value { type_name, bytes: &bytes } }.encode(out);
        };
        let shared = self.handle.shared();
        response(&shared.call(Service::MessagingSend, self.deadline(), body).await?)
    }

    pub(crate) async fn ask_session<R: DataType>(
        &self,
        path: &str,
        session: SessionId,
        request: impl ToValue,
    ) -> Result<R, Error> {
        let (type_name, bytes) = encode(&request)?;
        let body = |out: &mut Vec<u8>| {
            SendToSession { session, path, value: Value { type_name, bytes: &bytes } }.encode(out);
        };
        let shared = self.handle.shared();
        response(&shared.call(Service::MessagingReceiverServer, self.deadline(), body).await?)
    }
}

/// A request's type and bytes.
pub(crate) fn encode(request: &impl ToValue) -> Result<(&'static str, Vec<u8>), ValueError> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes)?;
    Ok((request.type_name(), bytes))
}

/// Reads an encoded response value.
pub(crate) fn response<R: DataType>(value: &[u8]) -> Result<R, Error> {
    let value = Value::decode_all(value)?;
    R::decode(value.type_name, value.bytes).map_err(Error::of_response)
}
