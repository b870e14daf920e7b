//! A session gets another connection while others write to it.

use antiphon_broker_interleaved::Connection;
use antiphon_broker_interleaved::Outbox;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::message::Message;
use shuttle::thread;

use crate::check;
use crate::stage::Broker;
use crate::stage::NOW;
use crate::stage::ask;
use crate::stage::broker;
use crate::stage::flush;
use crate::stage::heard;
use crate::stage::open;
use crate::stage::query;
use crate::stage::send;

/// The client has received nothing and says so, so all must be on the last connection.
fn come_back(broker: &Broker) {
    let mut outbox = Outbox::default();
    let request = ConnectionRequest::parse(&query(b'b', "cs=1&ss=0"), |_| None).unwrap();
    let attach = |seat: &crate::stage::Seat, connection| seat.replace(connection);
    broker.reconnect(&request, NOW, attach, &mut outbox).unwrap();
    flush(&mut outbox);
}

#[test]
fn the_last_connection_gets_everything_once_and_in_order() {
    check(|| {
        let broker = broker();
        let (sender, other) = (open(&broker, b'a'), open(&broker, b'b'));
        let (to, same) = (other.id(), broker.clone());
        let asking = thread::spawn(move || {
            send(&same, &sender, &[ask(to, 1), ask(to, 2)]);
            send(&same, &sender, &[ask(to, 3)]);
        });
        let (lost, same) = (other.clone(), broker.clone());
        let losing = thread::spawn(move || {
            let mut outbox = Outbox::default();
            same.lose(&lost, Connection::FIRST, NOW, &mut outbox);
            flush(&mut outbox);
        });
        come_back(&broker);
        come_back(&broker);
        asking.join().unwrap();
        losing.join().unwrap();
        let mut numbers: Vec<u8> = Vec::new();
        heard(&other, |message| match message {
            Message::Request { body, .. } => numbers.extend(body.last()),
            other => panic!("{other:?}"),
        });
        assert_eq!(numbers, [1, 2, 3]);
    });
}
