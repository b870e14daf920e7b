//! How requests end.

use antiphon_wire::error::Reason;

use super::Asked;
use super::Caller;
use super::Naive;
use super::value;
use crate::End;
use crate::pending::UNANSWERED;
use crate::tests::model::got::Failure;
use crate::tests::model::got::Got;
use crate::tests::model::op;
use crate::tests::model::op::How;
use crate::tests::model::op::Which;
use crate::tests::world::encoded;

impl Naive {
    /// Which conversation an answer of `me` is for.
    pub(crate) fn conversation(&self, me: usize, which: Which) -> u64 {
        let asked = |number: u8, own: bool| {
            let of = |asked: &&Asked| (asked.recipient == me) == own;
            let open: Vec<_> =
                self.requests.iter().filter(of).map(|asked| asked.conversation).collect();
            pick(&open, number)
        };
        match which {
            Which::Open(number) => asked(number, true),
            Which::Others(number) => asked(number, false),
            Which::Past(number) => {
                let own = self.used.iter().filter(|(recipient, _)| *recipient == me);
                pick(&own.map(|(_, conversation)| *conversation).collect::<Vec<_>>(), number)
            }
            Which::Raw(conversation) => conversation,
        }
    }

    pub(super) fn answer(&mut self, caller: Caller, which: Which, how: How) {
        let Caller { me, conversation: serial } = caller;
        let conversation = self.conversation(me, which);
        let is_it = |asked: &Asked| asked.recipient == me && asked.conversation == conversation;
        let Some(place) = self.requests.iter().position(is_it) else {
            // Below are the conversations of messages that await no answer.
            self.counted.stray_answers += u64::from(conversation >= UNANSWERED);
            return;
        };
        let asked = self.requests.remove(place);
        let (end, outcome) = match how {
            How::Value => {
                (End::Responded, Ok(encoded(&value(op::Value::Whole, &serial.to_be_bytes()))))
            }
            How::Error(code) => (End::HandlerError, Err((Reason(code), "said the handler".into()))),
            How::Unready => {
                let error = (Reason::UNHANDLED_MESSAGE, "Unknown client service".into());
                (End::HandlerError, Err(error))
            }
            How::Malformed(_) => {
                let text = format!("session {} sent a malformed response", self.people[me].id);
                (End::Malformed, Err((Reason::INVALID_DATA, text)))
            }
        };
        self.deliver(asked, end, outcome);
    }

    pub(super) fn expire(&mut self, recipient: usize) {
        let now = self.now;
        let is_due = |asked: &Asked| asked.recipient == recipient && asked.deadline <= now;
        for asked in self.take(is_due) {
            let text = format!("within {:?}; the request may have been executed", asked.timeout);
            self.deliver(asked, End::TimedOut, Err((Reason::REQUEST_TIME_OUT, text)));
        }
    }

    pub(super) fn fail_all(&mut self, recipient: usize) {
        let id = self.people[recipient].id;
        let text = format!("session {id} ended; the request may have been executed");
        for asked in self.take(|asked| asked.recipient == recipient) {
            let error = (Reason::NO_SUCH_SESSION, text.clone());
            self.deliver(asked, End::RecipientEnded, Err(error));
        }
    }

    fn take(&mut self, which: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        let (taken, left) = std::mem::take(&mut self.requests).into_iter().partition(which);
        self.requests = left;
        taken
    }

    pub(super) fn deliver(&mut self, asked: Asked, end: End, outcome: Result<Vec<u8>, Failure>) {
        self.note_end(asked.sender, end);
        let from = self.people[asked.recipient].id;
        let conversation = asked.reply;
        let got = match outcome {
            outcome if asked.filter => Got::Outcome { conversation, from, outcome },
            Ok(body) => Got::Response { conversation, body },
            Err(error) => Got::Error { conversation, error },
        };
        self.want(asked.sender, got);
    }

    /// Notes that a request of `sender` ends.
    pub(super) fn note_end(&mut self, sender: usize, end: End) {
        self.counted.ledger.end(if self.people[sender].open { end } else { End::Cancelled });
    }
}

fn pick(conversations: &[u64], number: u8) -> u64 {
    let Some(last) = conversations.len().checked_sub(1) else { return 5 };
    conversations[usize::from(number).min(last)]
}
