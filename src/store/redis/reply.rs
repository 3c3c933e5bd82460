//! Reading what Redis answers, and no more of it than there is memory for.
//!
//! The client library's own parser reads an answer of any length into memory before it looks at it, and makes fourteen
//! times as much of a list of small numbers. So lengths are read here, and what they announce is taken from the account
//! before it is received. The lines within an answer are the library's to understand.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, version 2 of the protocol

use std::io::{self, BufRead, BufReader, Read};
use std::time::Instant;

use redis::{RedisError, Value};

use super::error::{ReplicaError, ReplicaErrorKind};
use crate::base::sys::budget::{Budget, BudgetShare, OverBudget, Purpose};

/// Bytes of a round of answers that need no share of the budget: what a Redis store needs when all is well must not
/// wait for a restoration that holds all there is. There are two connections at most.
const FREE_BYTES: usize = 256 << 10;

/// What any value takes beside its text.
const VALUE_BYTES: usize = 64;

/// The longest line: a status, a number, a length or an error.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// Lists within lists: a transaction that scans has three.
const DEPTH_MAX: usize = 8;

/// Bytes that are received between two looks at the clock.
const PIECE_BYTES: u64 = 64 << 10;

/// The answers of one connection.
pub struct Replies<R> {
    input: BufReader<R>,
}

/// What the answers to one round of questions may take, of time and of memory.
pub struct ReplyLimits {
    deadline: Instant,
    taken: usize,
    share: BudgetShare,
}

impl ReplyLimits {
    /// Until `deadline`, of what `account` has left.
    pub fn new(deadline: Instant, account: &'static Budget) -> ReplyLimits {
        ReplyLimits { deadline, taken: 0, share: account.empty(Purpose::Restoring) }
    }

    fn count(&mut self, bytes: usize) -> Result<(), ReplicaError> {
        self.taken = self.taken.saturating_add(bytes);
        match self.taken {
            0..=FREE_BYTES => Ok(()),
            taken => self.share.resize(taken).map_err(|over| too_long(taken, &over)),
        }
    }

    fn check_deadline(&self) -> Result<(), ReplicaError> {
        if Instant::now() <= self.deadline {
            return Ok(());
        }
        Err(ReplicaError::new(ReplicaErrorKind::Slow, "its answer is not complete in time"))
    }
}

fn too_long(bytes: usize, over: &OverBudget) -> ReplicaError {
    let detail = format!(
        "its answer takes {bytes} bytes, which is more than there is memory for: {over}. Raise that, or delete what is \
         not muster's under the prefix, or choose another redis_prefix"
    );
    ReplicaError::new(ReplicaErrorKind::TooLong, detail)
}

impl<R: Read> Replies<R> {
    /// Those that come out of `input`.
    pub fn new(input: R) -> Replies<R> {
        Replies { input: BufReader::new(input) }
    }

    /// The stream, to write questions to.
    pub fn stream(&mut self) -> &mut R {
        self.input.get_mut()
    }

    /// The next answer. An error answer is an answer.
    ///
    /// # Errors
    /// The stream's, [`ReplicaErrorKind::Slow`] and [`ReplicaErrorKind::TooLong`]. What would come next is not known
    /// then.
    pub fn next(&mut self, limits: &mut ReplyLimits) -> Result<Value, ReplicaError> {
        limits.count(VALUE_BYTES)?;
        self.value(limits, DEPTH_MAX)
    }

    fn value(&mut self, limits: &mut ReplyLimits, depth_left: usize) -> Result<Value, ReplicaError> {
        limits.check_deadline()?;
        let line = self.line()?;
        limits.count(line.len())?;
        match line.first() {
            Some(b'$') => match length(&line)? {
                None => Ok(Value::Nil),
                Some(length) => self.text(length, limits).map(Value::BulkString),
            },
            Some(b'*') => match length(&line)? {
                None => Ok(Value::Nil),
                Some(length) => self.list(length, limits, depth_left).map(Value::Array),
            },
            Some(b'+' | b'-' | b':') => redis::parse_redis_value(&line).map_err(ReplicaError::from),
            _ => Err(strange(&line)),
        }
    }

    fn list(
        &mut self,
        length: usize,
        limits: &mut ReplyLimits,
        depth_left: usize,
    ) -> Result<Vec<Value>, ReplicaError> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Err(ReplicaError::new(
                ReplicaErrorKind::Unreachable,
                "its answer is a list of lists without end",
            ));
        };
        limits.count(length.saturating_mul(VALUE_BYTES))?;
        let mut values = Vec::with_capacity(length);
        for _ in 0..length {
            values.push(self.value(limits, depth_left)?);
        }
        Ok(values)
    }

    fn text(&mut self, length: usize, limits: &mut ReplyLimits) -> Result<Vec<u8>, ReplicaError> {
        limits.count(length)?;
        let mut text = Vec::with_capacity(length);
        while text.len() < length {
            limits.check_deadline()?;
            let piece = PIECE_BYTES.min((length - text.len()) as u64);
            if (&mut self.input).take(piece).read_to_end(&mut text).map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let mut end = [0; 2];
        self.input.read_exact(&mut end).map_err(broken)?;
        if end == *b"\r\n" { Ok(text) } else { Err(strange(&end)) }
    }

    /// The next line with its end.
    fn line(&mut self) -> Result<Vec<u8>, ReplicaError> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(broken)?;
        match &line[..] {
            [] => Err(broken(io::ErrorKind::UnexpectedEof.into())),
            [.., b'\r', b'\n'] => Ok(line),
            _ => Err(strange(&line)),
        }
    }
}

/// The length in a line such as `$5`; `None` for that of nothing, -1.
fn length(line: &[u8]) -> Result<Option<usize>, ReplicaError> {
    let digits = std::str::from_utf8(&line[1..line.len() - 2]).unwrap_or_default();
    match digits.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(length) if !digits.starts_with('+') => {
            usize::try_from(length).map(Some).map_err(|_| strange(line))
        }
        _ => Err(strange(line)),
    }
}

fn broken(error: io::Error) -> ReplicaError {
    ReplicaError::from(RedisError::from(error))
}

fn strange(found: &[u8]) -> ReplicaError {
    let shown = &found[..found.len().min(40)];
    ReplicaError::new(
        ReplicaErrorKind::Unreachable,
        format!("\"{}\" is no answer of Redis's", shown.escape_ascii()),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn account(bytes_max: usize) -> &'static Budget {
        Box::leak(Box::new(Budget::new(bytes_max)))
    }

    fn read(bytes: impl Read, account: &'static Budget) -> Result<Value, ReplicaError> {
        let mut limits = ReplyLimits::new(Instant::now() + Duration::from_secs(60), account);
        Replies::new(bytes).next(&mut limits)
    }

    #[test]
    fn answers_are_read_as_the_library_reads_them() {
        let rows = [
            "+OK\r\n",
            "+PONG\r\n",
            ":-7\r\n",
            "-ERR no\r\n",
            "-WRONGPASS x y\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "$0\r\n\r\n",
            "$5\r\na\r\nbc\r\n",
            "*0\r\n",
            "*3\r\n$1\r\na\r\n:1\r\n*2\r\n$-1\r\n+QUEUED\r\n",
        ];
        for text in rows {
            let expected = redis::parse_redis_value(text.as_bytes()).expect("it reads");
            assert_eq!(read(text.as_bytes(), account(1 << 20)).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
        let long = format!("+{}\r\n", "x".repeat(LINE_BYTES_MAX as usize));
        let rows = [
            "",
            "+OK",
            "+OK\n",
            "hello\r\n",
            "$-2\r\n",
            "$+1\r\na\r\n",
            "$x\r\n",
            "$\r\n",
            "$3\r\nab",
            "$1\r\nabc",
            "*2\r\n:1\r\n",
            ":x\r\n",
            "$99999999999999999999\r\n",
            "%1\r\n",
            &deep,
            &long,
        ];
        for text in rows {
            let refused = read(text.as_bytes(), account(1 << 20));
            assert!(
                refused.as_ref().is_err_and(|it| it.kind != ReplicaErrorKind::TooLong),
                "{text:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_is_announced_is_taken_before_it_is_received() {
        let half = 1 << 20;
        let account = account(2 * half);
        let text =
            |length: usize| format!("${length}\r\n").into_bytes().into_iter().chain(vec![b'x'; length]);
        let whole = |length: usize| text(length).chain(*b"\r\n").collect::<Vec<u8>>();
        let held = read(&whole(half - 200)[..], account).expect("it fits");
        assert_eq!((matches!(held, Value::BulkString(_)), account.held(Purpose::Restoring)), (true, 0));
        for announced in ["$1048577\r\n", "$1500000000\r\n", "*20000\r\n", "*9223372036854775807\r\n"] {
            let refused = read(announced.as_bytes(), account).expect_err(announced);
            assert_eq!(refused.kind, ReplicaErrorKind::TooLong, "{announced}: {refused}");
            assert!(
                refused.detail.contains("limits.transit_bytes_max")
                    && refused.detail.contains("redis_prefix")
            );
        }
        let taken = account.take(Purpose::Restoring, half).expect("nothing is held");
        assert!(read(&whole(FREE_BYTES - 200)[..], account).is_ok(), "so much is free");
        assert!(read(&whole(FREE_BYTES)[..], account).is_err());
        drop(taken);
    }

    #[test]
    fn an_answer_has_a_deadline_as_a_whole() {
        let mut limits = ReplyLimits::new(Instant::now() - Duration::from_millis(1), account(1 << 20));
        let refused = Replies::new(&b"+OK\r\n"[..]).next(&mut limits).expect_err("it is late");
        assert_eq!(refused.kind, ReplicaErrorKind::Slow);
    }
}
