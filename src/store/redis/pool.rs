//! Connections: where the server is at this moment, as whom to speak to it, and a small pool of them. Everything here
//! blocks, so it runs on the pool's threads and on the store's own, never on a coroutine's.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2d2::{HandleError, ManageConnection, Pool, PooledConnection};
use redis::{Cmd, ErrorKind, RedisError, Value};

use super::connection::{ConnectionSource, RedisConnection};
use super::dial::{RedisHost, RedisStream};
use super::error::{ReplicaError, ReplicaErrorKind};
use super::reply::{Replies, ReplyLimits};
use super::session::typed;
use super::settings::{RedisAddress, RedisSettings};
use crate::base::sys::{budget, file};

/// Connections at most: the one that writes, and one that is being opened while the other is given up.
const CONNECTIONS_MAX: u32 = 2;

/// Bytes of a file with a password. Redis takes none that is longer.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// Longest wait for one sentinel. The next one is asked then.
const SENTINEL_WAIT_MAX: Duration = Duration::from_millis(500);

/// An open connection. One that broke does not go back into the pool.
pub struct OpenConnection {
    replies: Replies<RedisStream>,
    /// True from a request on until all of its answers are read: what would come next is not known then.
    is_broken: bool,
}

impl OpenConnection {
    fn pipeline(
        &mut self,
        packed: &[u8],
        answers: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, ReplicaError> {
        self.is_broken = true;
        let mut limits = ReplyLimits::new(Instant::now() + timeout, budget::process());
        let stream = self.replies.stream();
        stream.write_all(packed).and_then(|()| stream.flush()).map_err(RedisError::from)?;
        let read: Result<_, _> = (0..answers).map(|_| self.replies.next(&mut limits)).collect();
        self.is_broken = read.is_err();
        read
    }

    fn query(&mut self, command: &Cmd, timeout: Duration) -> Result<Value, ReplicaError> {
        let mut answers = self.pipeline(&command.get_packed_command(), 1, timeout)?;
        match answers.swap_remove(0) {
            Value::ServerError(error) => Err(ReplicaError::refused(&error)),
            answer => Ok(answer),
        }
    }
}

impl RedisConnection for PooledConnection<ConnectionManager> {
    fn pipeline(
        &mut self,
        packed: &[u8],
        answers: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, ReplicaError> {
        OpenConnection::pipeline(self, packed, answers, timeout)
    }
}

/// Opens connections for the pool.
pub struct ConnectionManager {
    settings: RedisSettings,
    /// Why the last attempt failed; the pool itself only says that it had to wait too long.
    failure: Arc<Mutex<Option<ReplicaError>>>,
}

impl ConnectionManager {
    fn open(&self) -> Result<OpenConnection, ReplicaError> {
        let settings = &self.settings;
        let address = match &settings.place {
            RedisAddress::Socket(path) => RedisHost::Unix(path.clone()),
            RedisAddress::Server(host, port) => self.address(host, *port),
            RedisAddress::Sentinels(sentinels, master) => {
                let (host, port) = self.ask_sentinels(sentinels, master)?;
                self.address(&host, port)
            }
        };
        let mut connection = self.dial(&address, settings.timeout)?;
        if let Some(password) = self.password()? {
            authenticate(&mut connection, settings.user.as_deref(), &password, settings.timeout)?;
        }
        if settings.database != 0 {
            connection.query(redis::cmd("SELECT").arg(settings.database), settings.timeout)?;
        }
        Ok(connection)
    }

    fn address(&self, host: &str, port: u16) -> RedisHost {
        let host = host.to_owned();
        if self.settings.tls { RedisHost::Tls(host, port) } else { RedisHost::Tcp(host, port) }
    }

    fn password(&self) -> Result<Option<String>, ReplicaError> {
        let Some(path) = &self.settings.password_file else { return Ok(self.settings.password.clone()) };
        let read = file::read_text(path, PASSWORD_BYTES_MAX);
        let text = read.map_err(|error| broken(format!("cannot read {}: {error}", path.display())))?;
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn dial(&self, address: &RedisHost, timeout: Duration) -> Result<OpenConnection, ReplicaError> {
        let opened = RedisStream::open(address, self.settings.ca_file.as_deref(), timeout);
        let stream = opened.map_err(RedisError::from)?;
        Ok(OpenConnection { replies: Replies::new(stream), is_broken: false })
    }

    /// The address of the master, from the first sentinel that knows one.
    fn ask_sentinels(
        &self,
        sentinels: &[(String, u16)],
        master: &str,
    ) -> Result<(String, u16), ReplicaError> {
        let mut failures = Vec::new();
        for (host, port) in sentinels {
            match self.ask_sentinel(host, *port, master) {
                Ok(address) => return Ok(address),
                Err(error) => failures.push(format!("{host}:{port}: {error}")),
            }
        }
        Err(broken(format!("no sentinel names a master {master:?}: {}", failures.join("; "))))
    }

    fn ask_sentinel(&self, host: &str, port: u16, master: &str) -> Result<(String, u16), ReplicaError> {
        let timeout = SENTINEL_WAIT_MAX.min(self.settings.timeout);
        let mut connection = self.dial(&self.address(host, port), timeout)?;
        let answer =
            connection.query(redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(master), timeout)?;
        let named: Option<(String, u16)> = typed(answer)?;
        named.ok_or_else(|| broken("it knows no such master".into()))
    }
}

/// Authenticates. A Redis before version 6 knows no users, and answers with an error.
fn authenticate(
    connection: &mut OpenConnection,
    user: Option<&str>,
    password: &str,
    timeout: Duration,
) -> Result<(), ReplicaError> {
    let answer = connection.query(redis::cmd("AUTH").arg(user).arg(password), timeout);
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.kind != ReplicaErrorKind::Refused => Err(error),
        Err(error) if user.is_some() && error.detail.contains("wrong number of arguments") => {
            authenticate(connection, None, password, timeout)
        }
        Err(_) => {
            Err(RedisError::from((ErrorKind::AuthenticationFailed, "Password authentication failed")).into())
        }
    }
}

fn broken(sentence: String) -> ReplicaError {
    RedisError::from(std::io::Error::other(sentence)).into()
}

impl ManageConnection for ConnectionManager {
    type Connection = OpenConnection;
    type Error = ReplicaError;

    fn connect(&self) -> Result<OpenConnection, ReplicaError> {
        let opened = self.open();
        *self.failure.lock() = opened.as_ref().err().cloned();
        opened
    }

    fn is_valid(&self, connection: &mut OpenConnection) -> Result<(), ReplicaError> {
        connection.query(&redis::cmd("PING"), self.settings.timeout).map(drop)
    }

    fn has_broken(&self, connection: &mut OpenConnection) -> bool {
        connection.is_broken
    }
}

/// Failures are logged once by the store, not by the pool for each attempt.
#[derive(Debug)]
struct NoLogging;

impl HandleError<ReplicaError> for NoLogging {
    fn handle_error(&self, _: ReplicaError) {}
}

/// The pool, and how to ask it.
pub struct ConnectionPool {
    pool: Pool<ConnectionManager>,
    failure: Arc<Mutex<Option<ReplicaError>>>,
}

impl ConnectionPool {
    /// A pool that has opened nothing yet.
    pub fn new(settings: &RedisSettings) -> Self {
        let failure = Arc::new(Mutex::new(None));
        let manager = ConnectionManager { settings: settings.clone(), failure: failure.clone() };
        let pool = Pool::builder()
            .max_size(CONNECTIONS_MAX)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(Some(Duration::from_secs(30)))
            .max_lifetime(None)
            .connection_timeout(settings.timeout)
            .error_handler(Box::new(NoLogging))
            .build_unchecked(manager);
        Self { pool, failure }
    }
}

impl ConnectionSource for ConnectionPool {
    /// Takes no longer than the timeout of the settings.
    fn connect(&self) -> Result<Box<dyn RedisConnection>, ReplicaError> {
        let taken = self.pool.get().map_err(|_| {
            let failure = self.failure.lock().clone();
            failure.unwrap_or_else(|| {
                ReplicaError::new(ReplicaErrorKind::Slow, "it does not take a connection in time")
            })
        });
        Ok(Box::new(taken?))
    }

    fn counts(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }
}
