//! What the system is told about each socket, so that it finds hosts that are gone by itself.

use std::time::Duration;

use socket2::SockRef;
use socket2::TcpKeepalive;
use tokio::net::TcpStream;

use crate::config::Liveness;

/// Tells the system for how long the other end of a socket may be silent. A socket that is gone already refuses, which
/// whoever reads it will notice.
pub(crate) fn keep_alive(stream: &TcpStream, liveness: &Liveness) {
    let socket = SockRef::from(stream);
    if !liveness.tcp_idle.is_zero() {
        let _ = socket.set_tcp_keepalive(&keepalive(liveness));
    }
    set_user_timeout(&socket, liveness.tcp_user_timeout);
}

fn keepalive(liveness: &Liveness) -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(liveness.tcp_idle);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    let keepalive =
        keepalive.with_interval(liveness.tcp_interval).with_retries(liveness.tcp_probes);
    keepalive
}

#[cfg(target_os = "linux")]
fn set_user_timeout(socket: &SockRef<'_>, timeout: Duration) {
    let _ = socket.set_tcp_user_timeout((!timeout.is_zero()).then_some(timeout));
}

#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_: &SockRef<'_>, _: Duration) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn socket() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        TcpStream::connect(address).await.expect("it listens")
    }

    #[tokio::test]
    async fn the_system_is_told_all_of_it() {
        let stream = socket().await;
        keep_alive(&stream, &Liveness::default());
        let socket = SockRef::from(&stream);
        let seconds = Duration::from_secs;
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(10));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(60)));
    }

    #[tokio::test]
    async fn zero_leaves_it_to_the_system() {
        let (stream, untouched) = (socket().await, socket().await);
        let zero = Duration::ZERO;
        let off = Liveness { tcp_idle: zero, tcp_user_timeout: zero, ..Liveness::default() };
        keep_alive(&stream, &off);
        let told = |stream: &TcpStream| {
            let socket = SockRef::from(stream);
            (socket.keepalive().unwrap(), socket.tcp_user_timeout().unwrap())
        };
        assert_eq!(told(&stream), told(&untouched));
    }
}
