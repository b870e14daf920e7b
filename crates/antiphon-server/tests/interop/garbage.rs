//! Connections that speak nonsense beside sessions that do not.

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::int64;

const CONNECTIONS: usize = 50;

/// No connection is waited for longer than this.
const PATIENCE: Duration = Duration::from_millis(200);

const UPGRADE: &str = "GET /diffusion?ty=WB&v=29&ca=10&r=60000 HTTP/1.1\r\n\
    Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

for_every_sdk!(nonsense_of_others_does_no_harm_to, super::nonsense);

fn nonsense(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut handling = stage.join(sdk, "client");
    handling.stream(Handler::of("int64", "many", echo()));
    let mut sending = stage.join(sdk, "control");
    let address = stage.address();
    let babbling = thread::spawn(move || (0..CONNECTIONS).map(|n| babble(address, n)).sum());
    let mut sent = 0;
    while sent < 20 || !babbling.is_finished() {
        let value = int64(sent);
        assert_eq!(sending.request_session(&handling.id(), "many", &value), Ok(value));
        sent += 1;
    }
    let upgraded: usize = babbling.join().expect("the nonsense came to its end");
    let expected = (0..CONNECTIONS).filter(|n| begins_well(*n)).count();
    assert_eq!(upgraded, expected, "so many came as far as the frames");
}

const fn begins_well(n: usize) -> bool {
    n % 6 >= 2
}

/// One connection of nonsense; 1 if it came as far as the upgrade.
fn babble(address: SocketAddr, n: usize) -> usize {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = [0; 1024];
    let mut upgraded = 0;
    if begins_well(n) {
        stream.write_all(UPGRADE.as_bytes()).expect("an upgrade can be sent");
        let length = stream.read(&mut answer).expect("an answer to the upgrade");
        upgraded = usize::from(answer[..length].starts_with(b"HTTP/1.1 101"));
    }
    let nonsense: &[u8] = match n % 6 {
        0 => &[0xff; 5000],
        1 => b"GET /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        // A reserved opcode; a frame of 2^63 - 1 bytes; text; a service request cut short.
        2 => &[0x8b, 0x80, 1, 2, 3, 4],
        3 => &[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
        4 => &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'],
        _ => &[0x82, 0x83, 0, 0, 0, 0, 0x00, 0xff, 0xff],
    };
    // The server may have gone already, and may say nothing: either is its right.
    stream.write_all(nonsense).ok();
    while stream.read(&mut answer).is_ok_and(|length| length > 0) {}
    upgraded
}
