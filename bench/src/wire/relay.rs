//! What the relay speaks: `kind (1) | number (8, little-endian) | bytes`, in WebSocket frames.

use std::io;

use crate::frames::BINARY;
use crate::frames::Frame;
use crate::frames::Masker;
use crate::frames::invalid;
use crate::link::Link;
use crate::link::Stream;
use crate::wire::Outcome;
use crate::wire::Role;
use crate::wire::Wire;
use crate::wire::payload;

/// The kinds of message.
pub(crate) mod kind {
    /// From a handler: requests may come. Answered by the same.
    pub(crate) const HANDLE: u8 = 0;
    pub(crate) const REQUEST: u8 = 1;
    pub(crate) const RESPONSE: u8 = 2;
}

/// Kind and number.
pub(crate) const HEAD: usize = 9;

/// A connection to the relay.
pub(crate) struct Relay {
    masker: Masker,
    payload: Vec<u8>,
}

impl Wire for Relay {
    async fn open<S: Stream>(link: &mut Link<S>, role: Role, index: usize) -> io::Result<Self> {
        link.upgrade("/").await?;
        let mut relay = Self { masker: Masker::new(index), payload: Vec::new() };
        match role {
            Role::Requester(length) => relay.payload = payload(length),
            Role::Handler => {
                let mut out = Vec::new();
                relay.put(&mut out, kind::HANDLE, 0, &[]);
                link.write(&out).await?;
                while Frame::first(link.unused())?.is_none() {
                    link.read().await?;
                }
                link.used(2 + HEAD);
            }
            Role::Idle => {}
        }
        Ok(relay)
    }

    #[inline]
    fn request(&mut self, number: u32, out: &mut Vec<u8>) {
        self.masker.put(out, BINARY, HEAD + self.payload.len(), |out| {
            put_head(out, kind::REQUEST, u64::from(number));
            out.extend_from_slice(&self.payload);
        });
    }

    #[inline]
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(frame) = Frame::first(&bytes[at..])? {
            let (kind, number, body) = parts(frame.payload(&mut bytes[at..]))?;
            match kind {
                kind::REQUEST => self.put(out, kind::RESPONSE, number, body),
                kind::RESPONSE if *body == self.payload => {
                    outcomes.push(Outcome::Answer(number as u32));
                }
                kind::RESPONSE => outcomes.push(Outcome::Failure(number as u32)),
                other => return Err(invalid(format!("a message of kind {other}"))),
            }
            at += frame.end;
        }
        Ok(at)
    }
}

impl Relay {
    #[inline]
    fn put(&mut self, out: &mut Vec<u8>, kind: u8, number: u64, body: &[u8]) {
        self.masker.put(out, BINARY, HEAD + body.len(), |out| {
            put_head(out, kind, number);
            out.extend_from_slice(body);
        });
    }
}

#[inline]
pub(crate) fn put_head(out: &mut Vec<u8>, kind: u8, number: u64) {
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
}

#[inline]
pub(crate) fn parts(message: &[u8]) -> io::Result<(u8, u64, &[u8])> {
    let head =
        message.split_first().and_then(|(kind, rest)| Some((kind, rest.split_first_chunk()?)));
    let (kind, (number, body)) = head.ok_or_else(|| invalid("a message without a head"))?;
    Ok((*kind, u64::from_le_bytes(*number), body))
}
