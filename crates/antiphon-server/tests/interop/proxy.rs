//! What stands between an agent and the server, and cuts their connections when it is told to.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// Passes every connection on to the server. Its thread ends with the test process.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether it refuses to pass on anything.
    down: bool,
    /// Both ends of every connection.
    ends: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { server, state: Mutex::default() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || listener.incoming().flatten().for_each(|end| accepting.connect(end)));
        Self { address, shared }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, in the middle of whatever they carry. New ones are passed on.
    pub(crate) fn cut(&self) {
        self.shared.state().cut();
    }

    /// Cuts all connections, and every new one, until [`Self::mend`].
    pub(crate) fn break_down(&self) {
        let mut state = self.shared.state();
        state.down = true;
        state.cut();
    }

    pub(crate) fn mend(&self) {
        self.shared.state().down = false;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what comes from `client`, unless it is broken; then the connection is dropped.
    fn connect(&self, client: TcpStream) {
        let mut state = self.state();
        if state.down {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        for end in [&client, &server] {
            end.set_nodelay(true).ok();
            // Closing it resets the connection.
            SockRef::from(end).set_linger(Some(Duration::ZERO)).ok();
        }
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (copy(from), copy(to));
            thread::spawn(move || pass_on(from, to));
        }
        state.ends.extend([client, server]);
    }
}

impl State {
    fn cut(&mut self) {
        for end in self.ends.drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

fn copy(end: &TcpStream) -> TcpStream {
    end.try_clone().expect("another handle of a socket")
}

/// Until one of them is gone; then the other is.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}
