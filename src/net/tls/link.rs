//! A connection with or without TLS, with the few methods that a transport asks of it.
//!
//! Without TLS each is the socket's own, after one look whether there is a session. With TLS, bytes are decrypted as
//! they are asked for and the handshake is whatever has to come before the first of them, so that who takes his time
//! with it is ended by the deadline of a first byte. Nothing here waits but for a turn.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::{HandshakeKind, ServerConnection};

use crate::base::sys::clock::{self, Deadline};
use crate::base::sys::listen::Peer;
use crate::base::sys::park::Waker;
use crate::base::sys::stream::Stream;
use crate::base::sys::turnstile::Turn;
use crate::net::tls::certificate;
use crate::net::tls::endpoint::{HandshakeOutcome, TlsEndpoint};

/// Bytes that are encrypted at a time: one record. They count as written once they have all left, so that a client that
/// reads slowly is seen to read at all.
const RECORD_BYTES: usize = 16 * 1024;

/// One end of a connection, encrypted or not.
pub(crate) struct Link {
    stream: Stream,
    session: Option<Box<Session>>,
}

/// Why nothing can be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    /// The connection is broken.
    Gone,
    /// The client does not speak TLS as it must. It has been told; what it still sends is nobody's.
    Refused,
    /// The client speaks HTTP without TLS where TLS is spoken. From now on this link does so too, to say it.
    PlainHttp,
}

impl Link {
    /// A connection as it is.
    pub(crate) fn plain(stream: Stream) -> Link {
        Link { stream, session: None }
    }

    /// A connection whose client is to begin a handshake, on the present terms of `endpoint`. A session that cannot be
    /// had is logged: the client finds the connection closed.
    pub(crate) fn secure(stream: Stream, endpoint: &Arc<TlsEndpoint>, peer: Peer) -> Option<Link> {
        match ServerConnection::new(endpoint.terms()) {
            Ok(mut tls) => {
                tls.set_buffer_limit(Some(RECORD_BYTES));
                let endpoint = endpoint.clone();
                let session = Session {
                    tls,
                    endpoint,
                    peer,
                    first_byte: None,
                    plaintext_bytes: 0,
                    taken_bytes: 0,
                    has_ended: false,
                    is_cut: false,
                };
                Some(Link { stream, session: Some(Box::new(session)) })
            }
            Err(error) => {
                log::error!("TLS cannot be spoken: {error}");
                None
            }
        }
    }

    /// Whether it is encrypted, so that no other process can go on with it.
    #[inline]
    pub(crate) fn is_secure(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the client has begun, or is to begin, a handshake, and it is not done.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.tls.is_handshaking())
    }

    /// Whether a read may find something without a wait before it.
    #[inline]
    pub(crate) fn may_read(&self) -> bool {
        self.stream.may_read() || self.session.as_ref().is_some_and(|session| session.may_go_on())
    }

    /// Reads what is there. `None`: nothing now, wait first. `Some(0)`: the peer has finished sending. A handshake's
    /// arithmetic takes its `turn`.
    #[inline]
    pub(crate) fn read(&mut self, into: &mut [u8], turn: &mut Turn) -> Result<Option<usize>, LinkEnd> {
        match self.session {
            None => self.stream.read(into).map_err(|_| LinkEnd::Gone),
            Some(_) => self.read_secure(into, turn),
        }
    }

    #[inline(never)]
    fn read_secure(&mut self, into: &mut [u8], turn: &mut Turn) -> Result<Option<usize>, LinkEnd> {
        let Some(session) = &mut self.session else { return Ok(None) };
        let read = session.read(&mut self.stream, into, turn);
        if matches!(read, Err(LinkEnd::Refused | LinkEnd::PlainHttp)) {
            self.session = None;
        }
        read
    }

    /// Writes what fits. `None`: no room now, wait first, and then write the same again.
    ///
    /// # Errors
    /// The operating system's; the connection is broken.
    #[inline]
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        match &mut self.session {
            None => self.stream.write_vectored(slices),
            Some(session) => session.write(&mut self.stream, slices),
        }
    }

    /// What is being written ends in the middle: its reader is not to take it for the whole.
    pub(crate) fn cut_short(&mut self) {
        if let Some(session) = &mut self.session {
            session.is_cut = true;
        }
    }

    /// As [`Stream::wait`].
    pub(crate) fn wait(&mut self, deadline: Deadline) {
        self.stream.wait(deadline);
    }

    /// As [`Stream::has_hung_up`].
    pub(crate) fn has_hung_up(&self) -> bool {
        self.stream.has_hung_up()
    }

    /// As [`Stream::waker`].
    pub(crate) fn waker(&self) -> Waker {
        self.stream.waker()
    }

    /// As [`Stream::look_again`].
    pub(crate) fn look_again(&mut self) {
        self.stream.look_again();
    }

    /// As [`Stream::release`], of a connection that is not encrypted.
    ///
    /// # Errors
    /// As there; `Unsupported` when it is encrypted.
    pub(crate) fn release(&mut self) -> io::Result<OwnedFd> {
        match self.session {
            None => self.stream.release(),
            Some(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// As [`Stream::take_wake`].
    pub(crate) fn take_wake(&self) -> bool {
        self.stream.take_wake()
    }

    /// Ends what we send; the peer reads end of file, and may go on sending.
    pub(crate) fn finish(&mut self) {
        self.say_goodbye();
        self.stream.finish();
    }

    /// The certificate that the client has shown and that was found good, if any.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        let certificates = self.session.as_ref()?.tls.peer_certificates()?;
        certificates.first().map(AsRef::as_ref)
    }

    /// Tells the client that nothing comes after what it has got, unless something was to come.
    fn say_goodbye(&mut self) {
        let Some(session) = self.session.as_mut().filter(|session| !session.is_cut) else { return };
        if matches!(session.send(&mut self.stream), Ok(true)) {
            session.tls.send_close_notify();
            // Without room, the end of file has to do.
            let _ = session.send(&mut self.stream);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.session.is_some() {
            self.say_goodbye();
        }
    }
}

/// The TLS of one connection.
///
/// Memory: the library's session, 4 KiB at least for what is received, and a record for what is sent.
struct Session {
    tls: ServerConnection,
    endpoint: Arc<TlsEndpoint>,
    peer: Peer,
    /// What the client began with.
    first_byte: Option<u8>,
    /// Bytes that are decrypted and not yet asked for.
    plaintext_bytes: usize,
    /// Bytes that were taken to be written and have not all left.
    taken_bytes: usize,
    /// The client has said that it sends no more.
    has_ended: bool,
    /// The client was not sent all that it was to get.
    is_cut: bool,
}

impl Session {
    /// Whether there is something to be read, or to be sent before that, without another byte from the client.
    fn may_go_on(&self) -> bool {
        self.plaintext_bytes > 0 || self.has_ended || self.tls.wants_write()
    }

    fn read(
        &mut self,
        stream: &mut Stream,
        into: &mut [u8],
        turn: &mut Turn,
    ) -> Result<Option<usize>, LinkEnd> {
        loop {
            // A client that does not read is not read from.
            if !self.send(stream).map_err(|_| LinkEnd::Gone)? {
                return Ok(None);
            }
            if self.plaintext_bytes > 0 {
                let length = self.tls.reader().read(into).map_err(|_| LinkEnd::Gone)?;
                self.plaintext_bytes = self.plaintext_bytes.saturating_sub(length);
                return Ok(Some(length));
            }
            if self.has_ended {
                return Ok(Some(0));
            }
            match self.tls.read_tls(&mut Wire { stream, first_byte: &mut self.first_byte }) {
                // Many clients end without a word. Between two requests that is a usual end, and within one it is seen
                // by what is missing.
                Ok(0) => return Ok(Some(0)),
                Ok(_) => self.take_in(stream, turn)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Err(LinkEnd::Gone),
            }
        }
    }

    /// Understands what was received.
    fn take_in(&mut self, stream: &mut Stream, turn: &mut Turn) -> Result<(), LinkEnd> {
        let is_handshake = self.tls.is_handshaking();
        if is_handshake {
            if self.first_byte.is_some_and(|byte| byte.is_ascii_uppercase()) {
                self.endpoint.stats.count(HandshakeOutcome::Plain);
                return Err(LinkEnd::PlainHttp);
            }
            turn.pass();
        }
        match self.tls.process_new_packets() {
            Ok(state) => {
                self.plaintext_bytes = state.plaintext_bytes_to_read();
                self.has_ended = state.peer_has_closed();
            }
            Err(error) => {
                self.endpoint.stats.note_failure(self.peer, &error);
                // It says why; a client that has left does not hear it.
                let _ = self.send(stream);
                return Err(LinkEnd::Refused);
            }
        }
        if is_handshake && !self.tls.is_handshaking() { self.enter() } else { Ok(()) }
    }

    /// The handshake is done.
    fn enter(&mut self) -> Result<(), LinkEnd> {
        let is_resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let outcome = if is_resumed { HandshakeOutcome::Resumed } else { HandshakeOutcome::Full };
        self.endpoint.stats.count(outcome);
        // Who comes back shows no certificate again, and the one that he showed may have run out since.
        let shown = self.tls.peer_certificates().and_then(|all| all.first()).filter(|_| is_resumed);
        let now_s = clock::coarse_unix_seconds();
        if shown.is_some_and(|it| certificate::facts(it).is_none_or(|facts| facts.not_after_s < now_s)) {
            let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
            self.endpoint.stats.note_failure(self.peer, &expired);
            return Err(LinkEnd::Refused);
        }
        Ok(())
    }

    fn write(&mut self, stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        if self.taken_bytes == 0 {
            self.taken_bytes = self.tls.writer().write_vectored(slices)?;
            // Only before a handshake is done, when there is nobody to write to.
            if self.taken_bytes == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(self.send(stream)?.then(|| std::mem::take(&mut self.taken_bytes)))
    }

    /// Sends what is encrypted, as far as it goes; tells whether all of it went.
    fn send(&mut self, stream: &mut Stream) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire { stream, first_byte: &mut self.first_byte }) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A socket in the form in which TLS takes one.
struct Wire<'a> {
    stream: &'a mut Stream,
    first_byte: &'a mut Option<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(into)?.ok_or(ErrorKind::WouldBlock)?;
        if self.first_byte.is_none() {
            *self.first_byte = into[..length].first().copied();
        }
        Ok(length)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)?.ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
