//! Who takes part in the demo.

use antiphon::Addressing;
use antiphon::Error;
use antiphon::JsonValue;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::SessionId;

/// The sessions.
pub(super) struct Cast {
    pub(super) office: Session,
    pub(super) prices: Session,
    pub(super) tills: Vec<Till>,
}

/// A till in a shop.
pub(super) struct Till {
    pub(super) name: &'static str,
    pub(super) country: &'static str,
    pub(super) session: Session,
}

impl Cast {
    /// Opens all sessions, with their handlers.
    pub(super) async fn assemble(url: &str) -> Result<Self, Error> {
        let office = log_in(url, "admin").await?;
        let prices = log_in(url, "control").await?;
        prices.messaging().register_request_handler(PRICES, price, &[]).await?.keep();
        let mut tills = Vec::new();
        for (name, country, takings) in TILLS {
            let session = Session::builder(url)
                .property("Till", name)
                .property("Country", country)
                .connect()
                .await?;
            answer_takings(&session, takings)?.keep();
            tills.push(Till { name, country, session });
        }
        Ok(Self { office, prices, tills })
    }

    /// What a session is called.
    pub(super) fn name(&self, id: Option<SessionId>) -> &'static str {
        let till = self.tills.iter().find(|till| Some(till.session.id()) == id);
        till.map_or("somebody", |till| till.name)
    }

    pub(super) async fn leave(self) {
        for till in &self.tills {
            till.session.close().await;
        }
        self.prices.close().await;
        self.office.close().await;
    }
}

async fn log_in(url: &str, principal: &str) -> Result<Session, Error> {
    Session::builder(url).principal(principal).password("password").connect().await
}

/// Cups of tea, and their price.
async fn price(order: JsonValue, _: RequestContext) -> Result<f64, Rejection> {
    let JsonValue { 0: order } = order;
    let cups = order["cups"].as_f64().ok_or_else(|| Rejection::new("how many cups?"))?;
    Ok(cups * 1.9)
}

/// Answers requests that name the session, for which the server need not know the handler.
fn answer_takings(session: &Session, takings: i64) -> Result<Registration, Error> {
    let answer = move |_day: String, _: RequestContext| async move { Ok(takings) };
    session.messaging().add_request_handler(TAKINGS, answer, Addressing::Addressed)
}

pub(super) const PRICES: &str = "prices";
pub(super) const TAKINGS: &str = "takings";

/// Name, country and what it took today.
const TILLS: [(&str, &str, i64); 3] =
    [("till-1", "DE", 1042), ("till-2", "FR", 730), ("till-3", "FR", 865)];
