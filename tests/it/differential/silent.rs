//! An address where a connection is neither accepted nor refused: what is registered there looks as registered, however
//! early the first probe comes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

/// The address, held until dropped.
pub struct Silent {
    pub address: SocketAddr,
    _socket: Socket,
    /// Takes the one place of the backlog.
    _waiting: TcpStream,
}

impl Silent {
    pub fn start() -> io::Result<Silent> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(0)?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Silent { address, _waiting: TcpStream::connect(address)?, _socket: socket })
    }
}
