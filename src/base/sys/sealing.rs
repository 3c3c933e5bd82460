//! Secrets that are written down so that only who has a key reads them: AES-256-GCM, under the first of a few keys.
//!
//! Knows neither what the secrets are nor where they are written. Keys come as text, a line for each, the newest first:
//! that one seals, and all of them open. So a key is replaced by putting another one in front of it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Keys at most. One seals; the others are for what has not been sealed anew since.
pub const KEYS_MAX: usize = 16;

/// Bytes of the digest of a key that it is known by.
const ID_BYTES: usize = 8;

/// Between the id of the key, and what was sealed with it.
const SEPARATOR: char = '.';

/// Why a text holds no keys. It names no part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoKeys(String);

impl fmt::Display for NoKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The keys. What they are is never printed.
pub struct SealingKeys(Vec<SealingKey>);

struct SealingKey {
    id: String,
    key: RandomizedNonceKey,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKeys")
    }
}

/// A line for a new key, as [`SealingKeys::read`] reads it.
pub fn new_key() -> String {
    let mut key = [0; KEY_BYTES];
    rand::fill(&mut key).expect("the system has chance to give");
    STANDARD.encode(key)
}

impl SealingKeys {
    /// One that nobody has had before, for as long as the process lives.
    pub fn fresh() -> SealingKeys {
        SealingKeys::read(&new_key()).expect("it is one key as it is written")
    }

    /// Those of a text: a line of base64 for each, the first one to seal with. Empty lines, and what follows a `#`, say
    /// nothing.
    ///
    /// # Errors
    /// There is none, or too many, or a line is no key.
    pub fn read(text: &str) -> Result<SealingKeys, NoKeys> {
        let lines =
            text.lines().zip(1..).map(|(line, number)| (line.split('#').next().unwrap_or(""), number));
        let lines: Vec<(&str, usize)> = lines.map(|(line, at)| (line.trim(), at)).collect();
        let mut keys: Vec<SealingKey> = Vec::new();
        for (line, number) in lines.into_iter().filter(|(line, _)| !line.is_empty()) {
            let key = STANDARD.decode(line).ok().filter(|key| key.len() == KEY_BYTES);
            let key = key.ok_or_else(|| {
                NoKeys(format!(
                    "line {number} is no key: one has {KEY_BYTES} random bytes, written in base64"
                ))
            })?;
            let id: String =
                digest(&SHA256, &key).as_ref()[..ID_BYTES].iter().map(|it| format!("{it:02x}")).collect();
            let key = RandomizedNonceKey::new(&AES_256_GCM, &key).expect("it has the length of a key");
            if keys.iter().any(|known| known.id == id) {
                return Err(NoKeys(format!("line {number} is a key that is there before")));
            }
            keys.push(SealingKey { id, key });
        }
        match keys.len() {
            0 => Err(NoKeys("there is no key".to_owned())),
            1..=KEYS_MAX => Ok(SealingKeys(keys)),
            count => Err(NoKeys(format!(
                "there are {count} keys, and {KEYS_MAX} are enough: remove the last ones"
            ))),
        }
    }

    /// By what the key that seals is known.
    pub fn id(&self) -> &str {
        &self.0[0].id
    }

    /// A secret that opens in this context only, whatever that is.
    pub fn seal(&self, context: &str, secret: &str) -> String {
        let SealingKey { id, key } = &self.0[0];
        let mut text = secret.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut text);
        let nonce = nonce.expect("the system has chance to give, and no secret has gigabytes");
        let sealed = [&nonce.as_ref()[..], &text].concat();
        format!("{id}{SEPARATOR}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The secret that was sealed in this context.
    ///
    /// # Errors
    /// A sentence: its key is not among these, or it has been altered or was sealed in another context.
    pub fn open(&self, context: &str, sealed: &str) -> Result<String, String> {
        let altered = || "it has been altered, or was sealed for another".to_owned();
        let (id, sealed) = sealed.split_once(SEPARATOR).ok_or_else(altered)?;
        let known = self.0.iter().find(|known| known.id == id);
        let Some(SealingKey { key, .. }) = known else {
            let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|it| it.is_ascii_hexdigit());
            return Err(if is_id {
                format!("it was sealed with the key {id}, which is not here")
            } else {
                altered()
            });
        };
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| altered())?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(altered)?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), text.to_vec());
        let opened =
            key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text).map_err(|_| altered())?;
        String::from_utf8(opened.to_vec()).map_err(|_| altered())
    }

    /// Whether it was sealed with the key that seals now.
    pub fn is_current(&self, sealed: &str) -> bool {
        sealed.split_once(SEPARATOR).is_some_and(|(id, _)| id == self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_in_its_context_only() {
        let (keys, others) = (SealingKeys::fresh(), SealingKeys::fresh());
        for secret in ["", "a", "6b1ab2b5-9e0e-4b0a-9e6f-0f0b7a4b6a01", "é\n\0"] {
            let (sealed, again) = (keys.seal("one", secret), keys.seal("one", secret));
            assert_ne!(sealed, again, "chance is in it");
            assert!(secret.len() < 2 || !sealed.contains(secret));
            assert_eq!(keys.open("one", &sealed).as_deref(), Ok(secret));
            assert!(keys.open("two", &sealed).unwrap_err().contains("altered"));
            let error = others.open("one", &sealed).unwrap_err();
            assert!(error.contains(keys.id()) && !error.contains("altered"), "{error}");
        }
    }

    #[test]
    fn every_byte_counts() {
        let keys = SealingKeys::fresh();
        let sealed = keys.seal("one", "secret");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(keys.open("one", &altered).is_err(), "{at}");
            assert!(keys.open("one", &sealed[..at]).is_err(), "{at}");
        }
        assert!(keys.open("one", &format!("{sealed}A")).is_err());
    }

    #[test]
    fn a_new_key_seals_and_the_old_ones_open() {
        let (old, new) = (new_key(), new_key());
        let before = SealingKeys::read(&old).unwrap();
        let after = SealingKeys::read(&format!("# turned over\n{new}  # the new one\n\n{old}\n")).unwrap();
        let sealed = before.seal("one", "secret");
        assert_eq!(after.open("one", &sealed).as_deref(), Ok("secret"));
        assert!(before.is_current(&sealed) && !after.is_current(&sealed));
        assert!(after.is_current(&after.seal("one", "secret")) && after.id() != before.id());
        assert_eq!(format!("{after:?}"), "SealingKeys");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        let many = |count: usize| (0..count).map(|_| new_key() + "\n").collect::<String>();
        let twice = new_key();
        for (text, expected) in [
            (String::new(), "there is no key"),
            ("# only a remark".to_owned(), "there is no key"),
            ("hunter2".to_owned(), "line 1 is no key"),
            (format!("{}\nAAAA", new_key()), "line 2 is no key"),
            (format!("{twice}\n{twice}"), "line 2 is a key that is there before"),
            (many(KEYS_MAX + 1), "17 keys"),
        ] {
            let error = SealingKeys::read(&text).expect_err(expected).to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert!(SealingKeys::read(&many(KEYS_MAX)).is_ok());
    }
}
