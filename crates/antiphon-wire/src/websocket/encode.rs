//! Frames into a write buffer. Nothing here fragments a message or writes to a socket.

use super::LAST;
use super::LENGTH_16;
use super::LENGTH_64;
use super::MASKED;
use super::MAX_CONTROL;
use super::Opcode;
use super::apply_mask;

/// Appends one unmasked binary message, whose payload `write` appends.
///
/// `expected` is the likely length of the payload in bytes: room is made for that much, and the
/// payload is moved only if its length needs a header of another size than `expected` does.
///
/// # Panics
///
/// If `write` makes the buffer shorter.
#[inline]
pub fn put_message(out: &mut Vec<u8>, expected: usize, write: impl FnOnce(&mut Vec<u8>)) {
    // Twice, because a header of another size is put at the end before it goes to its place.
    out.reserve(expected.saturating_add(2 * MAX_HEADER));
    let start = out.len();
    match expected {
        0..126 => out.extend_from_slice(&[0; 2]),
        126..0x1_0000 => out.extend_from_slice(&[0; 4]),
        _ => out.extend_from_slice(&[0; MAX_HEADER]),
    }
    let payload = out.len();
    write(out);
    let length = out.len().checked_sub(payload).expect("`write` only appends");
    match (&mut out[start..payload], length) {
        ([first, short], 0..126) => (*first, *short) = (BINARY, length as u8),
        ([first, short, high, low], 126..0x1_0000) => {
            (*first, *short) = (BINARY, LENGTH_16);
            [*high, *low] = (length as u16).to_be_bytes();
        }
        ([first, short, long @ ..], 0x1_0000..) if long.len() == size_of::<u64>() => {
            (*first, *short) = (BINARY, LENGTH_64);
            long.copy_from_slice(&(length as u64).to_be_bytes());
        }
        _ => put_header_before(out, start, payload),
    }
}

/// Appends one unmasked ping with the first 125 bytes of `payload`.
pub fn put_ping(out: &mut Vec<u8>, payload: &[u8]) {
    put_control(out, Opcode::Ping, None, payload);
}

/// Appends one unmasked pong with the first 125 bytes of `payload`.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put_control(out, Opcode::Pong, None, payload);
}

/// Appends one unmasked close with `code` and no reason.
pub fn put_close(out: &mut Vec<u8>, code: u16) {
    put_control(out, Opcode::Close, None, &code.to_be_bytes());
}

/// Appends one binary message as a client sends it, masked with `key`, which nobody may foresee.
pub fn put_masked_message(out: &mut Vec<u8>, key: [u8; 4], payload: &[u8]) {
    put_masked(out, Opcode::Binary, key, payload);
}

/// Appends one ping masked with `key`, with the first 125 bytes of `payload`.
pub fn put_masked_ping(out: &mut Vec<u8>, key: [u8; 4], payload: &[u8]) {
    put_control(out, Opcode::Ping, Some(key), payload);
}

/// Appends one pong masked with `key`, with the first 125 bytes of `payload`.
pub fn put_masked_pong(out: &mut Vec<u8>, key: [u8; 4], payload: &[u8]) {
    put_control(out, Opcode::Pong, Some(key), payload);
}

/// Appends one close masked with `key`, with `code` and no reason.
pub fn put_masked_close(out: &mut Vec<u8>, key: [u8; 4], code: u16) {
    put_control(out, Opcode::Close, Some(key), &code.to_be_bytes());
}

/// Appends a control frame, masked if there is a key, with as much of `payload` as it may have.
fn put_control(out: &mut Vec<u8>, opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8]) {
    let payload = &payload[..payload.len().min(MAX_CONTROL)];
    if let Some(key) = key {
        return put_masked(out, opcode, key, payload);
    }
    put_header(out, opcode, 0, payload.len());
    out.extend_from_slice(payload);
}

fn put_masked(out: &mut Vec<u8>, opcode: Opcode, key: [u8; 4], payload: &[u8]) {
    put_header(out, opcode, MASKED, payload.len());
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], key);
}

/// Appends a header without its key; `masked` is 0 or [`MASKED`].
fn put_header(out: &mut Vec<u8>, opcode: Opcode, masked: u8, length: usize) {
    let first = LAST | opcode as u8;
    match length {
        0..126 => out.extend_from_slice(&[first, masked | length as u8]),
        126..0x1_0000 => {
            let [high, low] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, masked | LENGTH_16, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | LENGTH_64]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Puts the header before the message that ends `out`, in place of what is at `start`.
#[cold]
fn put_header_before(out: &mut Vec<u8>, start: usize, payload: usize) {
    let end = out.len();
    put_header(out, Opcode::Binary, 0, end - payload);
    let size = out.len() - end;
    out[payload..].rotate_right(size);
    out.drain(start..payload);
}

/// The first byte of a binary message.
const BINARY: u8 = LAST | Opcode::Binary as u8;

/// The longest header without a key, in bytes.
const MAX_HEADER: usize = 10;
