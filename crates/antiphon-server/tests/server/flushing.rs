//! That nothing stays unwritten: on workers that never park, and on sockets that are full.

use std::future::pending;

use antiphon_server::Config;
use antiphon_server::Server;
use antiphon_wire::codec::put_varint;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::websocket::put_masked_message;
use tokio::net::TcpSocket;

use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;
use crate::client::within;

#[test]
fn a_worker_that_never_parks_does_not_keep_its_answers() {
    let server = Server::bind(Config::dev(any_port())).unwrap();
    let address = server.local_addrs()[0];
    let workers = antiphon_server::runtime(1).unwrap();
    workers.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    workers.spawn(server.run(pending::<()>()));
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    clients.block_on(async {
        let mut client = Client::open(address).await;
        for _ in 0..10 {
            client.expect_alive().await;
        }
    });
    workers.shutdown_background();
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything_in_order() {
    let server = TestServer::with(|config| {
        config.limits.mailbox = 64 << 20;
        config.limits.mailbox_messages = REQUESTS as usize;
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = Client::over(within(socket.connect(server.address)).await.unwrap());
    client.ask_for_upgrade("/diffusion?v=29", "").await;
    client.head().await;
    client.expect_accepted(29).await;

    // Each is answered by an error of some 40 bytes: together more than all buffers on the way hold.
    let mut requests = Vec::new();
    for conversation in 0..REQUESTS {
        let mut message = vec![0, 1];
        put_varint(&mut message, conversation);
        put_masked_message(&mut requests, [1, 2, 3, 4], &message);
    }
    client.send(&requests).await;

    for expected in 0..REQUESTS {
        let error = client.expect_message().await;
        let Ok(Message::Error { conversation, .. }) = Message::decode(&error) else {
            panic!("expected an error, not {error:02x?}");
        };
        assert_eq!(conversation, ConversationId(expected));
    }
    client.expect_alive().await;
}

/// Several times what a socket buffers at most.
const REQUESTS: u64 = 400_000;
