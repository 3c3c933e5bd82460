//! Messages between two processes of this machine that carry descriptors along (`SCM_RIGHTS`).
//!
//! It knows how a message is framed and who is at the other end, whose number alone says little: a process in another
//! namespace has none, and that of one that has ended goes to the next. What a message means is not known here.
//!
//! ```text
//!   kind     length of the payload   payload
//! ┌────────┬───────────────────────┬─────────────────┐
//! │ 1 byte │ 4 bytes, little-endian│ length bytes    │
//! └────────┴───────────────────────┴─────────────────┘
//!   the descriptors travel with the first byte
//! ```

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Descriptors that one message may carry: the kernel takes 253 (`SCM_MAX_FD`).
pub const DESCRIPTORS_MAX: usize = 253;

/// Bytes of a payload. The longest is a request that is given on: its head, and a body of the 64 MiB that may be
/// configured at most.
const PAYLOAD_BYTES_MAX: usize = 80 << 20;

const HEADER_BYTES: usize = 5;

/// One message.
#[derive(Debug)]
pub struct HandoverMessage {
    /// What it is, in the sender's numbering.
    pub kind: u8,
    /// What it says.
    pub payload: Vec<u8>,
    /// What came with it, in order.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends one message; the sender keeps its own descriptors. Blocks while the other end does not read.
///
/// # Errors
/// The operating system's, and `InvalidInput` past a bound.
pub fn send(to: &UnixStream, kind: u8, payload: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if payload.len() > PAYLOAD_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut header = [kind, 0, 0, 0, 0];
    header[1..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = loop {
        match rustix::net::sendmsg(to, &[IoSlice::new(&header)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            sent => break sent?,
        }
    };
    (&*to).write_all(&header[sent..])?;
    (&*to).write_all(payload)
}

/// Waits for the next message; `None` when the other end has closed between two.
///
/// # Errors
/// The operating system's, a read timeout of the socket among them, and `InvalidData` for what is no message.
pub fn receive(from: &UnixStream) -> io::Result<Option<HandoverMessage>> {
    let mut header = [0; HEADER_BYTES];
    let mut descriptors = Vec::new();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let slices = &mut [IoSliceMut::new(&mut header)];
        match rustix::net::recvmsg(from, slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?.bytes,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received == 0 {
        return Ok(None);
    }
    (&*from).read_exact(&mut header[received..])?;
    let [kind, length @ ..] = header;
    let length = u32::from_le_bytes(length) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    (&*from).read_exact(&mut payload)?;
    Ok(Some(HandoverMessage { kind, payload, descriptors }))
}

/// Who is at the other end.
#[derive(Debug)]
pub struct Other {
    /// Its user.
    pub user: u32,
    /// Its process, by number; 0 for one that is not seen from here, as from within a container.
    pub process: i32,
    /// Its process, whoever has the number later.
    handle: Option<OwnedFd>,
}

impl Other {
    /// Kills its process, and no other that has its number by now.
    ///
    /// # Errors
    /// `NotFound` when it is not seen from here, and the operating system's, as when it has ended.
    pub fn kill(&self) -> io::Result<()> {
        let handle = self.handle.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(pidfd_send_signal(handle, Signal::KILL)?)
    }
}

/// Who is at the other end.
///
/// # Errors
/// The operating system's.
pub fn other(of: &UnixStream) -> io::Result<Other> {
    let credentials = getsockopt(of, PeerCredentials)?;
    let (user, process) = (credentials.uid(), credentials.pid());
    let handle = getsockopt(of, PeerPidfd).ok().or_else(|| handle_by_number(of, process));
    Ok(Other { user, process, handle })
}

/// The process of that number, if it is still the one at the other end, on kernels that do not report it.
fn handle_by_number(of: &UnixStream, process: i32) -> Option<OwnedFd> {
    let process = Pid::from_raw(process)?;
    let handle = pidfd_open(process, PidfdFlags::empty()).ok()?;
    // A process that still holds its end has not ended, so no other had its number when it was looked up.
    let mut ends = [PollFd::new(of, PollFlags::RDHUP)];
    let is_open = poll(&mut ends, Some(&Timespec::default())).is_ok_and(|hung_up| hung_up == 0);
    is_open.then_some(handle)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn messages_come_one_by_one_with_what_they_carry() {
        let (one, other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let many = vec![listener.as_fd(); DESCRIPTORS_MAX];
        send(&one, 1, b"", &[]).unwrap();
        send(&one, 2, b"two", &[listener.as_fd()]).unwrap();
        send(&one, 3, &[b'x'; 1000], &many).unwrap();
        drop(listener);
        let got = |message: Option<HandoverMessage>| {
            message.map(|it| (it.kind, it.payload.len(), it.descriptors.len()))
        };
        assert_eq!(got(receive(&other).unwrap()), Some((1, 0, 0)));
        let second = receive(&other).unwrap().unwrap();
        assert_eq!((second.kind, &second.payload[..], second.descriptors.len()), (2, &b"two"[..], 1));
        assert_eq!(got(receive(&other).unwrap()), Some((3, 1000, DESCRIPTORS_MAX)));
        TcpStream::connect(address).expect("what was carried along listens on");
        drop(one);
        assert!(receive(&other).unwrap().is_none());
    }

    #[test]
    fn what_is_past_a_bound_is_neither_sent_nor_taken() {
        let (one, other) = UnixStream::pair().unwrap();
        let too_many = vec![one.as_fd(); DESCRIPTORS_MAX + 1];
        assert_eq!(send(&one, 1, b"", &too_many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        (&one).write_all(&[1, 0xff, 0xff, 0xff, 0xff]).unwrap();
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (one, other) = UnixStream::pair().unwrap();
        (&one).write_all(&[1, 9, 0]).unwrap();
        drop(one);
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "cut off within");
    }

    #[test]
    fn the_other_end_is_known() {
        let (one, end) = UnixStream::pair().unwrap();
        let other = other(&one).unwrap();
        let own = std::process::id() as i32;
        assert_eq!((other.user, other.process), (rustix::process::geteuid().as_raw(), own));
        assert!(handle_by_number(&one, own).is_some());
        drop(end);
        assert!(handle_by_number(&one, own).is_none(), "the number may be another's by now");
    }

    #[test]
    fn who_is_not_seen_from_here_is_nobody() {
        let (one, _end) = UnixStream::pair().unwrap();
        assert!(handle_by_number(&one, 0).is_none());
        let unseen = Other { user: 0, process: 0, handle: None };
        assert_eq!(unseen.kill().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_process_is_killed_by_its_handle_and_not_by_its_number() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        // The number is that of somebody else.
        let other = Other { user: 0, process: 1, handle: Some(handle) };
        other.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        let ended = Some(rustix::io::Errno::SRCH.raw_os_error());
        assert_eq!(other.kill().unwrap_err().raw_os_error(), ended, "it has ended");
    }
}
