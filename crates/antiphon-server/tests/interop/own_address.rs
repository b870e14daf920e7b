//! Addresses of this host that nobody else uses, for nodes of a cluster. A server takes a free port a little after it has looked for
//! one, and with many servers at a time another one might have it by then; the seeds of others must be known beforehand besides.
//! Not here: the listeners of clients, which take any port at once.

use std::io;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::process;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// An address that is nobody else's, in this process or another, as long as this is there.
pub(crate) struct OwnAddress {
    address: Ipv4Addr,
    /// Who has it, has the address.
    _mark: UdpSocket,
}

impl OwnAddress {
    pub(crate) fn take() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            // All of 127.0.0.0/8 is this host; its lower half is for those who choose other addresses.
            let number = (process::id() << 6).wrapping_add(NEXT.fetch_add(1, Relaxed));
            let address = Ipv4Addr::from_bits(LOWEST + number % MANY);
            match UdpSocket::bind((address, MARK)) {
                Ok(mark) => return Self { address, _mark: mark },
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
            }
        }
    }

    /// Where a node can listen.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}:{PORT}", self.address)
    }
}

/// 127.128.0.0.
const LOWEST: u32 = 0x7f80_0000;
const MANY: u32 = 0x007f_ffff;

/// None that the system gives to those who ask for any.
const MARK: u16 = 17_446;
const PORT: u16 = 17_447;
