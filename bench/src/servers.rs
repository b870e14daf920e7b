//! Starts and ends the servers that are measured. Each is a process of its own on free ports of this host.

use std::fs;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use clap::Args;

use crate::target::Peer;
use crate::target::Target;

/// Where the programs are, and what is written by the way.
#[derive(Debug, Clone, Args)]
pub(crate) struct Programs {
    /// The server
    #[arg(long, default_value = "target/release/antiphon")]
    pub(crate) antiphon: PathBuf,
    /// The NATS server
    #[arg(long, default_value = "nats-server")]
    pub(crate) nats: PathBuf,
    /// Where logs and raw results go
    #[arg(long, default_value = "target/bench")]
    pub(crate) folder: PathBuf,
}

/// A server, which ends when this is dropped.
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
    pub(crate) target: Target,
}

impl Programs {
    /// Starts one as it comes and waits until it listens.
    pub(crate) fn start(&self, peer: Peer) -> io::Result<Running> {
        let address = free_address()?;
        self.launch(&mut self.command(peer, address)?, peer, address)
    }

    /// The same under valgrind, which counts instructions.
    pub(crate) fn start_under_valgrind(&self, peer: Peer) -> io::Result<Running> {
        let address = free_address()?;
        let command = self.command(peer, address)?;
        let mut valgrind = Command::new("valgrind");
        // The server begins itself again.
        valgrind.args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--trace-children=yes",
        ]);
        valgrind.arg(command.get_program()).args(command.get_args());
        self.launch(&mut valgrind, peer, address)
    }

    /// Starts Antiphon with this file, which makes it listen at `address`.
    pub(crate) fn start_with(&self, config: &Path, address: SocketAddr) -> io::Result<Running> {
        let mut command = self.antiphon()?;
        self.launch(command.arg("--config").arg(config), Peer::Antiphon, address)
    }

    fn command(&self, peer: Peer, address: SocketAddr) -> io::Result<Command> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let (mut command, arguments) = match peer {
            Peer::Antiphon => (self.antiphon()?, vec!["--listen".to_owned(), address.to_string()]),
            Peer::Ws => {
                let this = Command::new(std::env::current_exe()?);
                (this, vec!["relay".to_owned(), address.to_string()])
            }
            Peer::Nats => {
                (Command::new(&self.nats), vec!["-a".to_owned(), host, "-p".to_owned(), port])
            }
        };
        command.args(arguments);
        Ok(command)
    }

    /// Everything is on that is on by default, and nothing else; development mode brings the principals.
    fn antiphon(&self) -> io::Result<Command> {
        let mut command = Command::new(&self.antiphon);
        command.args(["serve", "--dev", "--operations", &free_address()?.to_string()]);
        Ok(command)
    }

    fn launch(
        &self,
        command: &mut Command,
        peer: Peer,
        address: SocketAddr,
    ) -> io::Result<Running> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{}.log", peer.name()));
        let log = File::create(&path)?;
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let process = process.map_err(|error| {
            let program = command.get_program().display();
            io::Error::new(error.kind(), format!("{program}: {error}"))
        })?;
        let target = Target::new(peer, address, Some(process.id()));
        let mut running = Running { process, target, log: path };
        running.wait_until_it_listens()?;
        Ok(running)
    }
}

impl Running {
    /// Stops the process where it is, or lets it go on.
    pub(crate) fn hold(&self, hold: bool) -> io::Result<()> {
        self.signal(if hold { "STOP" } else { "CONT" })
    }

    /// Lets it end by itself, and returns what it said.
    pub(crate) fn end(mut self) -> io::Result<String> {
        self.signal("TERM")?;
        self.process.wait()?;
        fs::read_to_string(&self.log)
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let command = format!("kill -{signal} {}", self.process.id());
        let status = Command::new("sh").args(["-c", &command]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(command)) }
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.target.address).is_err() {
            let name = &self.target.name;
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("{name} ended: {status}; see its log")));
            }
            if Instant::now() > patience {
                return Err(io::Error::other(format!("{name} does not listen; see its log")));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing of it is needed any more, and a clean end would take its time.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that nobody listens at, right now.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
