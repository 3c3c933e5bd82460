//! Where a Redis is: the one text that names it, read and shown. A shown URL never holds its password.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Port of a sentinel that names none.
const SENTINEL_PORT: u16 = 26_379;

/// What a Redis URL may begin with, and what each means.
const SCHEMES: &[(&str, bool)] = &[("redis", false), ("rediss", true), ("valkey", false), ("valkeys", true)];

/// A text that nothing shows: neither `Display` nor `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// Where a Redis is, and as whom it is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// How to get there.
    pub place: RedisPlace,
    /// The user of the access control list; none is Redis's `default`.
    pub user: Option<String>,
    /// The password in the URL. A setting of its own is the better place for it.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: i64,
}

/// How to get to a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// One server.
    Server {
        /// Its name or IP address.
        host: String,
        /// Its port.
        port: u16,
        /// Whether the connection is encrypted.
        tls: bool,
    },
    /// One server of this machine, by the path of its socket.
    Socket(std::path::PathBuf),
    /// Whichever server the sentinels call the master.
    Sentinels {
        /// Name or address and port of each; asked in this order.
        sentinels: Vec<(String, u16)>,
        /// The name under which they know the master.
        master: String,
        /// Whether connections, those to sentinels too, are encrypted.
        tls: bool,
    },
}

impl RedisUrl {
    /// Reads `redis[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, `unix:///PATH`, or
    /// `redis[s]+sentinel://[USER[:PASSWORD]@]HOST[:PORT],…/MASTER[/DATABASE]`.
    ///
    /// # Errors
    /// A sentence that says what is wrong; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("+sentinel://") {
            Some((scheme, rest)) => sentinels(scheme, rest),
            None => server(text),
        }
    }
}

fn server(text: &str) -> Result<RedisUrl, String> {
    let info = text.into_connection_info().map_err(|error| {
        // Without a detail the library's sentence stands before its own word for the kind of error.
        let said = error.to_string();
        let sentence = said.split(" - ").next().unwrap_or(&said);
        format!("it is no Redis URL: {}", error.detail().unwrap_or(sentence))
    })?;
    let place = match info.addr() {
        ConnectionAddr::Tcp(host, port) => RedisPlace::Server { host: host.clone(), port: *port, tls: false },
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            return Err(
                "#insecure would let anybody pass for the server; name its certificate authority in \
                        redis_ca_file"
                    .into(),
            );
        }
        ConnectionAddr::TcpTls { host, port, .. } => {
            RedisPlace::Server { host: host.clone(), port: *port, tls: true }
        }
        ConnectionAddr::Unix(path) => RedisPlace::Socket(path.clone()),
        _ => return Err("muster knows no way to such a server".into()),
    };
    Ok(with_access(place, &info))
}

fn with_access(place: RedisPlace, info: &ConnectionInfo) -> RedisUrl {
    let redis = info.redis_settings();
    RedisUrl {
        place,
        user: redis.username().filter(|user| !user.is_empty()).map(str::to_owned),
        password: redis.password().map(|password| Secret(password.to_owned())),
        database: redis.db(),
    }
}

/// What stands after `+sentinel://`. Each part is read as the URL of one server would be.
fn sentinels(scheme: &str, rest: &str) -> Result<RedisUrl, String> {
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let (_, tls) = known.ok_or("before +sentinel stands redis or rediss")?;
    let (authority, path) = rest.split_once('/').ok_or("it names no master: .../MASTER")?;
    let (access, hosts) =
        authority.rsplit_once('@').map_or(("", authority), |(access, hosts)| (access, hosts));
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return Err("it names no master: .../MASTER".into());
    }
    let joint = if access.is_empty() { "" } else { "@" };
    let access = server(&format!("{scheme}://{access}{joint}localhost/{database}"))?;
    let mut sentinels = Vec::new();
    for host in hosts.split(',').map(str::trim) {
        match server(&format!("redis://{host}"))?.place {
            RedisPlace::Server { host: name, port, .. } => {
                let is_given = host.ends_with(&format!(":{port}"));
                sentinels.push((name, if is_given { port } else { SENTINEL_PORT }));
            }
            _ => return Err("a sentinel is HOST or HOST:PORT".into()),
        }
    }
    let place = RedisPlace::Sentinels { sentinels, master: master.to_owned(), tls: *tls };
    Ok(RedisUrl { place, ..access })
}

/// The URL without its password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let scheme = |tls: &bool| if *tls { "rediss" } else { "redis" };
        let database = self.database;
        match &self.place {
            RedisPlace::Server { host, port, tls } => {
                write!(formatter, "{}://{user}{}/{database}", scheme(tls), joined(host, *port))
            }
            RedisPlace::Socket(path) => write!(formatter, "unix://{}?db={database}", path.display()),
            RedisPlace::Sentinels { sentinels, master, tls } => {
                let hosts: Vec<String> = sentinels.iter().map(|(host, port)| joined(host, *port)).collect();
                write!(formatter, "{}+sentinel://{user}{}/{master}/{database}", scheme(tls), hosts.join(","))
            }
        }
    }
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_their_password() {
        let rows = [
            ("redis://10.0.0.1", "redis://10.0.0.1:6379/0", None),
            ("redis://[::1]:7000/3", "redis://[::1]:7000/3", None),
            (
                "rediss://muster:p%40ss@redis.example:6380/1",
                "rediss://muster@redis.example:6380/1",
                Some("p@ss"),
            ),
            ("redis://:secret@h", "redis://h:6379/0", Some("secret")),
            ("unix:///run/redis.sock?db=2&pass=secret", "unix:///run/redis.sock?db=2", Some("secret")),
            (
                "redis+sentinel://u:secret@a,b:7001,[::1]:7002/main/4",
                "redis+sentinel://u@a:26379,b:7001,[::1]:7002/main/4",
                Some("secret"),
            ),
            ("rediss+sentinel://a:1/main", "rediss+sentinel://a:1/main/0", None),
        ];
        for (text, shown, password) in rows {
            let url = RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(url.password.as_ref().map(|it| it.0.as_str()), password, "{text}");
            assert!(!format!("{url:?}").contains("secret"), "{url:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        let rows = [
            "",
            "localhost",
            "http://h",
            "redis://",
            "redis://h/x",
            "redis+sentinel://a,b",
            "redis+sentinel://a/",
            "http+sentinel://a/m",
            "redis+sentinel:///m",
            "rediss://u:secret@h#insecure",
            "redis+sentinel://u:secret@a:x/m",
        ];
        for text in rows {
            let error = RedisUrl::parse(text).expect_err(text);
            assert!(!error.contains("secret") && !error.contains("InvalidClientConfig"), "{text}: {error}");
        }
    }
}
