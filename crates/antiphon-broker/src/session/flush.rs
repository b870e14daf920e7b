//! Writing a session's mailbox to wherever its driver says.

use std::io;

use crate::mailbox::Mailbox;
use crate::mailbox::Spare;
use crate::session::Connection;
use crate::session::Session;

/// What came of writing a session's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Nothing is left to be written, or another thread is writing it.
    Done,
    /// The socket takes no more. The driver waits until it does, then calls [`Session::unblock`] and flushes again.
    Blocked,
    /// The socket failed: the driver closes the session.
    Broken,
    /// The session has ended and its last bytes are written: the driver shuts the socket down.
    Finished,
}

impl<X> Session<X> {
    /// Writes all that waits, with as few calls of `write` as possible and no lock held during them. Any thread may
    /// call it at any time; others may append meanwhile.
    pub fn flush(
        &self,
        spare: &mut Spare,
        mut write: impl FnMut(Connection, &[u8]) -> io::Result<usize>,
    ) -> Flush {
        let mut state = self.state.lock();
        state.dirty = false;
        if state.writing || state.blocked || !state.connected {
            return Flush::Done;
        }
        let connection = state.connection;
        state.writing = true;
        let mut mail = std::mem::take(&mut state.mailbox);
        loop {
            drop(state);
            let outcome = write_all(&mut mail, &mut |bytes| write(connection, bytes));
            spare.wrote(mail.take_requests());
            state = self.state.lock();
            if state.connection != connection {
                // What was on its way to the old connection is sent anew on the other one.
                return Flush::Done;
            }
            match outcome {
                Ok(true) if state.mailbox.queued() == 0 || state.dirty => break,
                Ok(true) => {
                    mail.clear();
                    std::mem::swap(&mut mail, &mut state.mailbox);
                }
                Ok(false) => {
                    state.mailbox.put_back(mail);
                    state.writing = false;
                    state.blocked = true;
                    return Flush::Blocked;
                }
                Err(_) => {
                    state.writing = false;
                    state.mailbox = Mailbox::default();
                    return Flush::Broken;
                }
            }
        }
        state.writing = false;
        let empty = state.mailbox.queued() == 0;
        let finished = state.ended && empty;
        let unused = if empty { std::mem::take(&mut state.mailbox) } else { Mailbox::default() };
        drop(state);
        spare.keep(mail);
        spare.keep(unused);
        if finished { Flush::Finished } else { Flush::Done }
    }

    /// The socket of this connection takes bytes again.
    pub fn unblock(&self, connection: Connection) {
        let mut state = self.state.lock();
        if state.connection == connection {
            state.blocked = false;
        }
    }
}

/// True if all was written, false if the socket takes no more.
fn write_all(
    mail: &mut Mailbox,
    write: &mut impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<bool> {
    while !mail.waiting().is_empty() {
        match write(mail.waiting()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => mail.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
