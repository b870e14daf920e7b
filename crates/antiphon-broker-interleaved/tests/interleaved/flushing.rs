//! Threads that append to one session and write it.

use antiphon_broker_interleaved::Outbox;
use antiphon_wire::message::Message;
use shuttle::thread;

use crate::check;
use crate::stage::ask;
use crate::stage::broker;
use crate::stage::flush;
use crate::stage::heard;
use crate::stage::open;
use crate::stage::send;

#[test]
fn every_message_is_written_once_and_in_order() {
    check(|| {
        let broker = broker();
        let (one, other, all) = (open(&broker, b'a'), open(&broker, b'b'), open(&broker, b'c'));
        let to = all.id();
        let senders = [(one, [1, 2, 3]), (other, [11, 12, 13])].map(|(sender, numbers)| {
            let broker = broker.clone();
            thread::spawn(move || {
                let [first, second, third] = numbers.map(|number| ask(to, number));
                send(&broker, &sender, &[first, second]);
                send(&broker, &sender, &[third]);
            })
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let mut numbers: Vec<u8> = Vec::new();
        heard(&all, |message| match message {
            Message::Request { body, .. } => numbers.extend(body.last()),
            other => panic!("{other:?}"),
        });
        assert_eq!(numbers.len(), 6);
        for own in [[1, 2, 3], [11, 12, 13]] {
            let order = numbers.iter().filter(|number| own.contains(number));
            assert!(order.eq(&own), "{numbers:?}");
        }
    });
}

#[test]
fn the_last_words_of_a_session_are_the_last() {
    check(|| {
        let broker = broker();
        let (sender, other) = (open(&broker, b'a'), open(&broker, b'b'));
        let (to, same) = (other.id(), broker.clone());
        let asking = thread::spawn(move || {
            send(&same, &sender, &[ask(to, 1), ask(to, 2)]);
            sender
        });
        let mut outbox = Outbox::default();
        let reason = antiphon_wire::service::events::CloseReason::Aborted;
        broker.close(&other, reason, &mut outbox);
        flush(&mut outbox);
        let sender = asking.join().unwrap();
        let (mut aborts, mut outcomes) = (0, Vec::new());
        heard(&other, |message| {
            assert_eq!(aborts, 0, "{message:?} after the end");
            aborts += u32::from(message == Message::Abort);
        });
        heard(&sender, |message| match message {
            Message::Error { conversation, .. } => outcomes.push(conversation.0),
            other => panic!("{other:?}"),
        });
        outcomes.sort_unstable();
        assert_eq!((aborts, outcomes), (1, vec![1, 2]));
    });
}
