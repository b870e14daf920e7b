//! NATS at its best: its protocol by hand, handlers in a queue group, and one subscription of each requester for all answers.

use std::io;
use std::io::Write;

use crate::frames::invalid;
use crate::link::Link;
use crate::link::Stream;
use crate::wire::Outcome;
use crate::wire::Role;
use crate::wire::Wire;
use crate::wire::payload;

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"rust\",\
                       \"version\":\"0\",\"protocol\":1,\"echo\":false}\r\n";

/// A connection to a NATS server.
pub(crate) struct Nats {
    /// `PUB echo`, and the answer's subject but for the number.
    head: Vec<u8>,
    /// ` LENGTH`, the payload, and the ends of lines.
    tail: Vec<u8>,
    /// Where in it the payload begins.
    payload: usize,
}

impl Wire for Nats {
    async fn open<S: Stream>(link: &mut Link<S>, role: Role, index: usize) -> io::Result<Self> {
        link.read_until(b"\r\n").await?;
        let subscription = match role {
            Role::Handler => "SUB echo workers 1\r\n".to_owned(),
            Role::Requester(_) | Role::Idle => format!("SUB _R.{index}.* 1\r\n"),
        };
        link.write(format!("{CONNECT}{subscription}PING\r\n").as_bytes()).await?;
        let answer = link.read_until(b"\r\n").await?;
        if answer != b"PONG\r\n" {
            return Err(invalid(String::from_utf8_lossy(&answer)));
        }
        let Role::Requester(length) = role else {
            return Ok(Self { head: Vec::new(), tail: Vec::new(), payload: 0 });
        };
        let head = format!("PUB echo _R.{index}.").into_bytes();
        let mut tail = format!(" {length}\r\n").into_bytes();
        let start = tail.len();
        tail.extend_from_slice(&payload(length));
        tail.extend_from_slice(b"\r\n");
        Ok(Self { head, tail, payload: start })
    }

    #[inline]
    fn request(&mut self, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        // Writing to a vector cannot fail.
        let _ = write!(out, "{number}");
        out.extend_from_slice(&self.tail);
    }

    #[inline]
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes[at..].split_at(end + 1);
            at += match line {
                b"PING\r\n" => {
                    out.extend_from_slice(b"PONG\r\n");
                    line.len()
                }
                b"PONG\r\n" => line.len(),
                [b'M', b'S', b'G', b' ', words @ .., b'\r', b'\n'] => {
                    match self.message(words, rest, out, outcomes)? {
                        Some(length) => line.len() + length,
                        None => break,
                    }
                }
                // The server tells about itself again.
                [b'I', b'N', b'F', b'O', ..] => line.len(),
                other => return Err(invalid(String::from_utf8_lossy(other))),
            };
        }
        Ok(at)
    }
}

impl Nats {
    /// Takes the payload behind `subject subscription [answer's subject] length`, if it is whole.
    #[inline]
    fn message(
        &self,
        words: &[u8],
        rest: &[u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<Option<usize>> {
        let mut parts = words.split(|byte| *byte == b' ');
        let (Some(subject), Some(_), Some(third)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid("a message without a head"));
        };
        let fourth = parts.next();
        let digits = fourth.unwrap_or(third);
        let whole = number(digits)? as usize + 2;
        let Some(payload) = rest.get(..whole) else { return Ok(None) };
        if fourth.is_some() {
            out.extend_from_slice(b"PUB ");
            out.extend_from_slice(third);
            out.push(b' ');
            out.extend_from_slice(digits);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(payload);
        } else {
            let start = subject.iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
            let number = number(&subject[start..])?;
            let right = self.payload > 0 && *payload == self.tail[self.payload..];
            outcomes.push(if right { Outcome::Answer(number) } else { Outcome::Failure(number) });
        }
        Ok(Some(whole))
    }
}

#[inline]
fn number(digits: &[u8]) -> io::Result<u32> {
    digits.iter().try_fold(0u32, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))),
        _ => Err(invalid("something that is no number")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let mut nats =
            Nats { head: b"PUB echo _R.0.".to_vec(), tail: b" 3\r\nabc\r\n".to_vec(), payload: 4 };
        let mut out = Vec::new();
        nats.request(17, &mut out);
        assert_eq!(out, b"PUB echo _R.0.17 3\r\nabc\r\n");
        let mut bytes = b"PING\r\nMSG echo 1 _R.0.17 3\r\nabc\r\nMSG _R.0.17 1 3\r\nabc\r\nMSG _R.0.5 1 3\r\nabd\r\n".to_vec();
        for cut in 0..bytes.len() {
            let used = nats.take(&mut bytes[..cut], &mut Vec::new(), &mut Vec::new()).unwrap();
            assert!(used <= cut && [0, 6, 33, 55].contains(&used), "{used}");
        }
        let (mut out, mut outcomes) = (Vec::new(), Vec::new());
        assert_eq!(nats.take(&mut bytes, &mut out, &mut outcomes).unwrap(), bytes.len());
        assert_eq!(out, b"PONG\r\nPUB _R.0.17 3\r\nabc\r\n");
        assert_eq!(outcomes, [Outcome::Answer(17), Outcome::Failure(5)]);
        assert!(nats.take(&mut b"-ERR 'no'\r\n".to_vec(), &mut out, &mut outcomes).is_err());
    }
}
