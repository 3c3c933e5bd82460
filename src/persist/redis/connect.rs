//! Connections: where the server is at this moment, as whom to speak to it, and a small pool of them. Everything here
//! blocks, so it runs on the pool's threads and on the store's own, never on a coroutine's.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2d2::{HandleError, ManageConnection, Pool, PooledConnection};
use redis::{
    Client, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates, Value,
};

use super::line::{Line, Lines};
use super::settings::{Place, Settings};
use super::trouble::{Kind, Trouble};

/// Connections at most: the one that writes, and one that is being opened while the other is given up.
const CONNECTIONS_MAX: u32 = 2;

/// Longest wait for one sentinel. The next one is asked then.
const SENTINEL_WAIT_MAX: Duration = Duration::from_millis(500);

/// An open connection. One that broke does not go back into the pool.
pub struct Wire {
    connection: Connection,
    /// True from a request on until all of its answers are read: what would come next is not known then.
    is_spoilt: bool,
}

impl Line for PooledConnection<Manager> {
    fn ask(&mut self, packed: &[u8], answers: usize, patience: Duration) -> Result<Vec<Value>, Trouble> {
        self.is_spoilt = true;
        let deadline = Instant::now() + patience;
        self.connection.send_packed_command(packed)?;
        let mut read = Vec::with_capacity(answers);
        while read.len() < answers {
            if Instant::now() > deadline {
                return Err(Trouble::new(
                    Kind::Slow,
                    format!("its answer is not complete after {patience:?}"),
                ));
            }
            read.push(self.connection.recv_response()?);
        }
        self.is_spoilt = false;
        Ok(read)
    }
}

/// Opens connections for the pool.
pub struct Manager {
    settings: Settings,
    /// Why the last attempt failed; the pool itself only says that it had to wait too long.
    failure: Arc<Mutex<Option<Trouble>>>,
}

impl Manager {
    fn open(&self) -> Result<Wire, RedisError> {
        let settings = &self.settings;
        let address = match &settings.place {
            Place::Socket(path) => ConnectionAddr::Unix(path.clone()),
            Place::Server(host, port) => self.address(host, *port),
            Place::Sentinels(sentinels, master) => {
                let (host, port) = self.ask_sentinels(sentinels, master)?;
                self.address(&host, port)
            }
        };
        let mut access = RedisConnectionInfo::default().set_db(settings.database).set_skip_set_lib_name();
        if let Some(user) = &settings.user {
            access = access.set_username(user);
        }
        if let Some(password) = self.password()? {
            access = access.set_password(password);
        }
        self.dial(address.into_connection_info()?.set_redis_settings(access), settings.timeout)
    }

    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_owned();
        if self.settings.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn password(&self) -> Result<Option<String>, RedisError> {
        let Some(path) = &self.settings.password_file else { return Ok(self.settings.password.clone()) };
        let read = fs::read_to_string(path);
        let text = read.map_err(|error| broken(format!("cannot read {}: {error}", path.display())))?;
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn dial(&self, info: ConnectionInfo, patience: Duration) -> Result<Wire, RedisError> {
        let client = match (&self.settings.ca_file, info.addr()) {
            (Some(path), ConnectionAddr::TcpTls { .. }) => {
                let read = fs::read(path);
                let root =
                    read.map_err(|error| broken(format!("cannot read {}: {error}", path.display())))?;
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root) })?
            }
            _ => Client::open(info)?,
        };
        let connection = client.get_connection_with_timeout(patience)?;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(patience))?;
        Ok(Wire { connection, is_spoilt: false })
    }

    /// The address of the master, from the first sentinel that knows one.
    fn ask_sentinels(&self, sentinels: &[(String, u16)], master: &str) -> Result<(String, u16), RedisError> {
        let mut failures = Vec::new();
        for (host, port) in sentinels {
            match self.ask_sentinel(host, *port, master) {
                Ok(address) => return Ok(address),
                Err(error) => failures.push(format!("{host}:{port}: {error}")),
            }
        }
        Err(broken(format!("no sentinel names a master {master:?}: {}", failures.join("; "))))
    }

    fn ask_sentinel(&self, host: &str, port: u16, master: &str) -> Result<(String, u16), RedisError> {
        let patience = SENTINEL_WAIT_MAX.min(self.settings.timeout);
        let access = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = self.address(host, port).into_connection_info()?.set_redis_settings(access);
        let mut wire = self.dial(info, patience)?;
        let mut asked = redis::cmd("SENTINEL");
        asked.arg("get-master-addr-by-name").arg(master);
        let named: Option<(String, u16)> = asked.query(&mut wire.connection)?;
        named.ok_or_else(|| broken("it knows no such master".into()))
    }
}

fn broken(sentence: String) -> RedisError {
    std::io::Error::other(sentence).into()
}

impl ManageConnection for Manager {
    type Connection = Wire;
    type Error = RedisError;

    fn connect(&self) -> Result<Wire, RedisError> {
        let opened = self.open();
        *self.failure.lock() = opened.as_ref().err().map(|error| Trouble::from(error.clone()));
        opened
    }

    fn is_valid(&self, wire: &mut Wire) -> Result<(), RedisError> {
        redis::cmd("PING").query(&mut wire.connection)
    }

    fn has_broken(&self, wire: &mut Wire) -> bool {
        use redis::ConnectionLike;
        wire.is_spoilt || !wire.connection.is_open()
    }
}

/// Failures are told once by the store, not by the pool for each attempt.
#[derive(Debug)]
struct Silent;

impl HandleError<RedisError> for Silent {
    fn handle_error(&self, _: RedisError) {}
}

/// The pool, and how to ask it.
pub struct Connections {
    pool: Pool<Manager>,
    failure: Arc<Mutex<Option<Trouble>>>,
}

impl Connections {
    /// A pool that has opened nothing yet.
    pub fn new(settings: &Settings) -> Self {
        let failure = Arc::new(Mutex::new(None));
        let manager = Manager { settings: settings.clone(), failure: failure.clone() };
        let pool = Pool::builder()
            .max_size(CONNECTIONS_MAX)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(Some(Duration::from_secs(30)))
            .max_lifetime(None)
            .connection_timeout(settings.timeout)
            .error_handler(Box::new(Silent))
            .build_unchecked(manager);
        Self { pool, failure }
    }
}

impl Lines for Connections {
    /// Takes no longer than the timeout of the settings.
    fn take(&self) -> Result<Box<dyn Line>, Trouble> {
        let taken = self.pool.get().map_err(|_| {
            let failure = self.failure.lock().clone();
            failure.unwrap_or_else(|| Trouble::new(Kind::Slow, "it does not take a connection in time"))
        });
        Ok(Box::new(taken?))
    }

    fn counts(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }
}
