//! What stands between clients and the server, and cuts their connections, or passes nothing on, when it is told to.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
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
    /// Something flows again.
    released: Condvar,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    ToServer,
    ToClient,
}

#[derive(Default)]
struct State {
    /// Whether it refuses to pass on anything.
    down: bool,
    /// Directions in which nothing is passed on.
    held: Vec<Flow>,
    /// Both ends of every connection.
    ends: Vec<Arc<TcpStream>>,
}

impl Proxy {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { server, state: Mutex::default(), released: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|end| Shared::connect(&accepting, end));
        });
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

    /// Passes nothing on in these directions, on any connection, not even that one of them has ended: as if a cable
    /// were cut. What comes meanwhile is passed on after [`Self::release`].
    pub(crate) fn hold(&self, flows: &[Flow]) {
        self.shared.state().held = flows.to_vec();
    }

    pub(crate) fn release(&self) {
        self.shared.state().held.clear();
        self.shared.released.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what comes from `client`, unless it is broken; then the connection is dropped.
    fn connect(self: &Arc<Self>, client: TcpStream) {
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
        let (client, server) = (Arc::new(client), Arc::new(server));
        for (flow, from, to) in
            [(Flow::ToServer, &client, &server), (Flow::ToClient, &server, &client)]
        {
            let (shared, from, to) = (Arc::clone(self), Arc::clone(from), Arc::clone(to));
            thread::spawn(move || shared.pass_on(flow, &from, &to));
        }
        state.ends.extend([client, server]);
    }

    /// Until one of them is gone; then the other is.
    fn pass_on(&self, flow: Flow, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            self.wait_while_held(flow);
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
    }

    fn wait_while_held(&self, flow: Flow) {
        let is_held = |state: &mut State| state.held.contains(&flow);
        drop(
            self.released.wait_while(self.state(), is_held).unwrap_or_else(PoisonError::into_inner),
        );
    }
}

impl State {
    fn cut(&mut self) {
        for end in self.ends.drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}
