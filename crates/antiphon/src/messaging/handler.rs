//! What answers requests: closures and types, and how they run.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Reason;
use antiphon_wire::value::Value;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use crate::messaging::RequestContext;
use crate::messaging::Responder;
use crate::value::DataType;
use crate::value::ValueError;

/// Answers requests of one type.
///
/// A closure `|request, context| async move { Ok(response) }` does the same with less to write.
///
/// ```
/// use antiphon::{Rejection, RequestContext, RequestHandler};
///
/// struct Prices { pence: i64 }
///
/// impl RequestHandler for Prices {
///     type Request = String;
///     type Response = i64;
///
///     async fn handle(&self, article: String, _: RequestContext) -> Result<i64, Rejection> {
///         if article == "tea" { Ok(self.pence) } else { Err(Rejection::new("not sold here")) }
///     }
/// }
/// ```
pub trait RequestHandler: Send + Sync + 'static {
    /// The type of the requests. Others are refused before they get here.
    type Request: DataType;
    /// The type of the responses.
    type Response: DataType;

    /// Answers one request. Several run at once.
    ///
    /// The future is dropped when the [deadline](RequestContext::deadline) has passed. A panic is answered with error
    /// 105 and ends nothing else.
    ///
    /// # Errors
    /// A rejection is error 9003 at the sender, with its text.
    fn handle(
        &self,
        request: Self::Request,
        context: RequestContext,
    ) -> impl Future<Output = Result<Self::Response, Rejection>> + Send;
}

/// Whatever can be registered as a handler: a [`RequestHandler`], or a closure from a request and its
/// [`RequestContext`] to a future of a response or a [`Rejection`].
///
/// `M` only tells the two apart; it is always inferred.
pub trait Handler<M>: Send + Sync + 'static {
    /// The type of the requests.
    type Request: DataType;
    /// The type of the responses.
    type Response: DataType;

    /// Answers one request.
    ///
    /// # Errors
    /// As the handler rejects it.
    fn call(
        &self,
        request: Self::Request,
        context: RequestContext,
    ) -> impl Future<Output = Result<Self::Response, Rejection>> + Send;
}

/// Marks a handler that is a type with [`RequestHandler`].
pub struct ByTrait(());

/// Marks a handler that is a closure from `Q` to `R`.
pub struct ByClosure<Q, R>(PhantomData<fn(Q) -> R>);

impl<H: RequestHandler> Handler<ByTrait> for H {
    type Request = H::Request;
    type Response = H::Response;

    fn call(
        &self,
        request: H::Request,
        context: RequestContext,
    ) -> impl Future<Output = Result<H::Response, Rejection>> + Send {
        self.handle(request, context)
    }
}

impl<F, A, Q, R> Handler<ByClosure<Q, R>> for F
where
    F: Fn(Q, RequestContext) -> A + Send + Sync + 'static,
    A: Future<Output = Result<R, Rejection>> + Send,
    Q: DataType,
    R: DataType,
{
    type Request = Q;
    type Response = R;

    fn call(&self, request: Q, context: RequestContext) -> impl Future<Output = A::Output> + Send {
        self(request, context)
    }
}

/// Why a handler does not answer: a text for the sender, who gets it with error 9003.
///
/// Every error turns into a rejection with its text, so `?` works in handlers. For that reason a rejection is not an
/// error itself.
pub struct Rejection(String);

impl Rejection {
    /// Rejects a request with a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl<E: std::error::Error> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejection").field(&self.0).finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A handler whose types are forgotten.
pub(crate) trait AnyHandler: Send + Sync {
    /// Answers one request, in a task of its own.
    fn spawn(
        self: Arc<Self>,
        runtime: &Handle,
        value: Vec<u8>,
        context: RequestContext,
        responder: Responder,
    );
}

/// Forgets the types of a handler.
pub(crate) fn erase<M: 'static>(handler: impl Handler<M>) -> Arc<dyn AnyHandler> {
    Arc::new(Erased(handler, PhantomData))
}

struct Erased<H, M>(H, PhantomData<fn(M)>);

/// What a sender is told instead of a response.
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) text: String,
}

/// A response: the name of its type, and its bytes.
pub(crate) type Response = (&'static str, Vec<u8>);

impl<M: 'static, H: Handler<M>> AnyHandler for Erased<H, M> {
    fn spawn(
        self: Arc<Self>,
        runtime: &Handle,
        value: Vec<u8>,
        context: RequestContext,
        responder: Responder,
    ) {
        runtime.spawn(async move {
            let deadline = context.deadline();
            let outcome = timeout_at(deadline, self.respond(&value, context)).await;
            responder.answer(outcome.unwrap_or_else(|_| Err(Failure::late())));
        });
    }
}

impl<M, H: Handler<M>> Erased<H, M> {
    async fn respond(&self, value: &[u8], context: RequestContext) -> Result<Response, Failure> {
        let response = self.0.call(Self::request(value)?, context).await?;
        let mut bytes = Vec::new();
        response.encode(&mut bytes).map_err(|error| Failure {
            reason: Reason::CALLBACK_EXCEPTION,
            text: format!("the response cannot be sent: {error}"),
        })?;
        Ok((response.type_name(), bytes))
    }

    fn request(value: &[u8]) -> Result<H::Request, Failure> {
        let value = Value::decode_all(value)
            .map_err(|fault| Failure { reason: Reason::INVALID_DATA, text: fault.to_string() })?;
        H::Request::decode(value.type_name, value.bytes).map_err(Failure::of_request)
    }
}

impl Failure {
    fn of_request(error: ValueError) -> Self {
        let reason = match error {
            ValueError::Incompatible { .. } => Reason::INCOMPATIBLE_DATATYPE,
            _ => Reason::INVALID_DATA,
        };
        Self { reason, text: format!("the handler cannot read the request: {error}") }
    }

    fn late() -> Self {
        let text = "the handler did not answer in time; the request may have been executed";
        Self { reason: Reason::REQUEST_TIME_OUT, text: text.to_owned() }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self { reason: Reason::REJECTED_REQUEST, text: rejection.0 }
    }
}
