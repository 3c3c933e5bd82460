//! Secrets that are sealed, and files of keys.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER: &str = "//////////////////////////////////////////8=";

fn keys(text: &str) -> SealingKeys {
    SealingKeys::parse(text).expect("these are keys")
}

#[test]
fn what_is_sealed_opens_in_its_own_context_only() {
    let keys = keys(ONE);
    for secret in ["", "s", "1f3c9a52-7c1f-4a0a-9e0b-9a7d2b1c0e11", "grüße\n"] {
        let sealed = keys.seal("accessor", secret);
        assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()), "{sealed}");
        assert!(keys.is_current(&sealed) && sealed.starts_with(&format!("1.{}.", keys.key_id())));
        assert_eq!(keys.open("accessor", &sealed).as_deref(), Ok(secret));
        assert_eq!(keys.open("accessor2", &sealed), Err(Unopened::Altered));
        assert_ne!(keys.seal("accessor", secret), sealed, "each has a nonce of its own");
    }
}

#[test]
fn the_form_is_kept() {
    let sealed = "1.66687aadf862bd77.";
    assert!(keys(ONE).seal("a", "b").starts_with(sealed), "the id is of SHA-256");
    assert_eq!(keys(ONE).seal("a", "b").len(), sealed.len() + (12 + 1 + 16_usize).div_ceil(3) * 4);
}

#[test]
fn what_is_altered_does_not_open() {
    let keys = keys(&format!("{ONE}\n{OTHER}"));
    let sealed = keys.seal("a", "secret");
    for at in 0..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        for bit in 0..7 {
            bytes[at] ^= 1 << bit;
            let altered = String::from_utf8(bytes.clone()).expect("it is ASCII");
            assert!(keys.open("a", &altered).is_err(), "{altered} is not {sealed}");
            bytes[at] ^= 1 << bit;
        }
        assert!(keys.open("a", &sealed[..at]).is_err(), "the first {at} bytes");
        assert!(keys.open("a", &sealed[at + 1..]).is_err(), "from byte {}", at + 1);
    }
    assert!(keys.open("a", &format!("{sealed}=")).is_err());
    for text in ["", ".", "1.", "1..", "2.66687aadf862bd77.AAAA", "1.66687AADF862BD77.AAAA"] {
        assert_eq!(keys.open("a", text), Err(Unopened::NotSealed), "{text:?}");
        assert!(!keys.is_current(text), "{text:?}");
    }
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (one, both) = (keys(ONE), keys(&format!("# new\n{OTHER}\n\n  # old\n {ONE} \n")));
    let (old, new) = (one.seal("a", "b"), both.seal("a", "b"));
    assert_eq!(both.open("a", &old).as_deref(), Ok("b"));
    assert!(both.is_current(&new) && !both.is_current(&old));
    let missing = one.open("a", &new).expect_err("it has not that key");
    assert_eq!(missing, Unopened::KeyMissing(both.key_id().to_owned()));
    assert!(missing.to_string().contains(both.key_id()));
    assert_eq!((one.count(), both.count()), (1, 2));
    let shown = format!("{both:?}");
    assert_eq!(shown, format!("[{:?}, {:?}]", both.key_id(), one.key_id()));
    assert_eq!(keys(&format!("{OTHER},{ONE}")).key_id(), both.key_id(), "commas part them too");
    assert_ne!(SealingKeys::generate().key_id(), SealingKeys::generate().key_id());
}

#[test]
fn what_is_no_key_is_told() {
    let many = |count: usize| {
        let key = |at: usize| STANDARD.encode([at as u8; KEY_BYTES]);
        (0..count).map(key).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(keys(&many(KEYS_MAX)).count(), KEYS_MAX);
    let rows = [
        (String::new(), "no key in it"),
        ("# a comment\n\n".to_owned(), "no key in it"),
        (many(KEYS_MAX + 1), "17 keys in it, of 16"),
        (format!("{ONE}\n{ONE}"), "line 2 stands there twice"),
        (format!("{ONE}\nsecret"), "line 2 is no key"),
        (ONE[..40].to_owned(), "line 1 is no key"),
        (format!("AAAA{ONE}"), "line 1 is no key"),
        (format!("{ONE} # mine"), "line 1 is no key"),
    ];
    for (text, said) in rows {
        let told = SealingKeys::parse(&text).expect_err(&text).to_string();
        assert!(told.contains(said) && !told.contains("secret"), "{text}: {told}");
    }
}

#[test]
fn a_file_is_read_if_nobody_else_may() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let put = |name: &str, text: &str, mode: u32| {
        fs::write(at(name), text).expect("a small file can be written");
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let of_group = if rustix::process::geteuid().is_root() { None } else { Some("mode 640") };
    let rows = [
        (0o600, None),
        (0o400, None),
        (0o640, of_group),
        (0o660, Some("mode 660")),
        (0o604, Some("mode 604")),
        (0o644, Some("mode 644")),
        (0o602, Some("mode 602")),
    ];
    for (mode, said) in rows {
        put("keys", ONE, mode);
        let read = SealingKeys::read(&at("keys")).map_err(|error| error.to_string());
        match said {
            None => assert_eq!(read.expect("it may").key_id(), keys(ONE).key_id()),
            Some(said) => assert!(read.expect_err("it may not").contains(said), "{mode:o}"),
        }
        fs::remove_file(at("keys")).expect("it is ours");
    }
    put("keys", ONE, 0o600);
    symlink("keys", at("link")).expect("a link can be made");
    assert!(SealingKeys::read(&at("link")).is_ok(), "volumes with secrets are made of links");
    put("long", &"#".repeat(TEXT_BYTES_MAX as usize + 1), 0o600);
    symlink("nowhere", at("dangling")).expect("a link can be made");
    for (name, said) in
        [("absent", "No such file"), (".", "a directory"), ("long", "longer than"), ("dangling", "No such")]
    {
        let told = SealingKeys::read(&at(name)).expect_err(name).to_string();
        assert!(told.contains(said), "{name}: {told}");
    }
    assert!(SealingKeys::read_or_make(&at("dangling")).is_err() && !at("nowhere").exists());
}

#[test]
fn a_file_is_made_once_and_rotated() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("acl.key");
    // As a crash may have left it.
    fs::write(directory.path().join("acl.key.unfinished"), "half").expect("a small file can be written");
    let (made, is_new) = SealingKeys::read_or_make(&path).expect("it can be made");
    let (again, is_new_again) = SealingKeys::read_or_make(&path).expect("it is there");
    assert_eq!((is_new, is_new_again, made.key_id()), (true, false, again.key_id()));
    let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let sealed = made.seal("a", "b");
    let rotated = SealingKeys::rotate(&path).expect("it can be written");
    assert!(!rotated.is_current(&sealed) && rotated.count() == 2);
    assert_eq!(rotated.open("a", &sealed).as_deref(), Ok("b"));
    symlink("acl.key", directory.path().join("link")).expect("a link can be made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("it is ours");
    let count = SealingKeys::rotate(&directory.path().join("link")).expect("links are followed").count();
    assert_eq!((count, mode()), (3, 0o400), "who may read it stays");
    let link = fs::symlink_metadata(directory.path().join("link")).expect("it is there");
    assert!(link.is_symlink());
    (3..KEYS_MAX).for_each(|_| drop(SealingKeys::rotate(&path).expect("there is room")));
    let before = fs::read(&path).expect("it is ours");
    assert!(matches!(SealingKeys::rotate(&path), Err(UnfitKeys::Count(17))));
    assert_eq!(fs::read(&path).expect("it is ours"), before);
    let names = fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(names, 2, "nothing unfinished is left");
    assert!(SealingKeys::rotate(&directory.path().join("absent")).is_err());
}
