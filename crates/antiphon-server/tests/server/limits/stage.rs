//! A server with a limit, two sessions that ask and answer whatever others do, and a look at the figures.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use antiphon_server::Config;
use antiphon_wire::ids::SessionId;
use tokio::net::TcpSocket;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::any_port;
use crate::client::within;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;
use crate::operations::values;

pub(super) struct Stage {
    pub(super) server: TestServer,
    config: Config,
    operations: SocketAddr,
    handler: Client,
    sender: Client,
    /// The longest that the two others took for a round trip.
    slowest: Duration,
}

impl Stage {
    /// With what the `file` says. This host's addresses are counted as those of others are.
    pub(super) async fn set(file: &str) -> Self {
        let mut config = Config::parse(file).unwrap();
        let dev = Config::dev(any_port());
        (config.listeners, config.dev) = (dev.listeners, true);
        config.limits.proxies.clear();
        config.operations.listen.0 = Some(any_port());
        // Pings would come between what is expected.
        config.ping_period = Duration::ZERO;
        let server = TestServer::with(|given| given.clone_from(&config));
        let operations = server.operations.unwrap();
        let mut handler = Client::open(server.address).await;
        register(&mut handler, "well").await;
        let sender = Client::open(server.address).await;
        Self { server, config, operations, handler, sender, slowest: Duration::ZERO }
    }

    /// Changes the limits while the server runs.
    pub(super) fn reload(&mut self, change: impl FnOnce(&mut antiphon_server::Limits)) {
        change(&mut self.config.limits);
        assert_eq!(self.server.handle.reload(&self.config), Ok(Vec::new()));
    }

    /// The two others ask and answer.
    pub(super) async fn go_on(&mut self) {
        let asked = Instant::now();
        send(&mut self.sender, 5, "well", b"how are you").await;
        answer(&mut self.handler, b"how are you").await;
        assert!(self.sender.expect_message().await.ends_with(b"how are you"));
        self.slowest = self.slowest.max(asked.elapsed());
    }

    pub(super) async fn open(&self) -> Client {
        Client::open(self.server.address).await
    }

    /// A session of another principal.
    pub(super) async fn open_as(&self, principal: &str) -> Client {
        let mut client = self.knock(principal).await;
        client.expect_accepted(29).await;
        client
    }

    /// The WebSocket of one that may or may not become a session.
    pub(super) async fn knock(&self, principal: &str) -> Client {
        let login = ADMIN.replacen("admin", principal, 1);
        Client::upgrade(self.server.address, &format!("ty=WB&v=29&{login}")).await
    }

    /// A session and its id.
    pub(super) async fn open_known(&self) -> (Client, SessionId) {
        let mut client = self.knock("admin").await;
        let response = client.expect_accepted(29).await;
        let half = |from: usize| u64::from_be_bytes(response[from..from + 8].try_into().unwrap());
        (client, SessionId { server: half(3), client: half(11) })
    }

    /// A session whose socket takes little that it does not read.
    pub(super) async fn open_slow(&self) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = within(socket.connect(self.server.address)).await.unwrap();
        Client::open_over(stream).await
    }

    /// All that is said to a connection that says `request` and no more.
    pub(super) async fn told(&self, request: &str) -> String {
        let mut client = Client::connect(self.server.address).await;
        client.send(request.as_bytes()).await;
        String::from_utf8(client.rest().await).unwrap()
    }

    /// How often limit `name` was met.
    pub(super) async fn met(&self, name: &str) -> u64 {
        self.count(&format!("antiphon_limits_exceeded_total{{limit=\"{name}\"}}")).await
    }

    /// How many handshakes failed for this reason.
    pub(super) async fn failed(&self, reason: &str) -> u64 {
        self.count(&format!("antiphon_handshakes_failed_total{{reason=\"{reason}\"}}")).await
    }

    async fn count(&self, name: &str) -> u64 {
        let values = values(self.operations).await;
        *values.get(name).unwrap_or_else(|| panic!("no {name} in {values:#?}")) as u64
    }
}

impl Drop for Stage {
    /// How long others waited depends on the machine, so it counts only where somebody wants to know.
    fn drop(&mut self) {
        if std::env::var_os("ANTIPHON_MEASURE").is_some() && !std::thread::panicking() {
            println!("others waited for {:?} at most", self.slowest);
            assert!(self.slowest < SERVED_WITHIN, "others waited for {:?}", self.slowest);
        }
    }
}

/// Others are served within so long while somebody crosses a limit.
const SERVED_WITHIN: Duration = Duration::from_millis(100);

/// The next message is a refusal of `conversation` as overload, that says `why`.
pub(super) async fn expect_overloaded(client: &mut Client, conversation: u8, why: &str) {
    let told = client.expect_message().await;
    assert_eq!(told[..2], [0x07, conversation], "{told:02x?}");
    let text = String::from_utf8_lossy(&told);
    assert!(text.contains(&format!("overloaded: {why}")), "{text}");
    // 9003, as a varint.
    assert!(told.ends_with(&[0xab, 0x46]), "{told:02x?}");
}

/// The connection is refused with 113: too many sessions.
pub(super) async fn expect_no_room(mut client: Client) {
    assert_eq!(client.frame().await, Frame::Message(vec![b'#', 29, 113]));
    assert_eq!(client.frame().await, Frame::Close(1000));
}
