//! The record that `shim.c` keeps of the calls that changed files, read back. Knows the form of the record and nothing of
//! what the calls mean.

use std::collections::BTreeMap;

/// How the names begin that the engine gives to files which are not finished.
const UNFINISHED: &str = ".tmp";

/// One call that succeeded. Paths are relative to the watched directory, which is `.` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Create(String),
    MakeDirectory(String),
    Write { path: String, offset: u64, data: Vec<u8> },
    Truncate { path: String, length: u64 },
    Sync(String),
    Rename { from: String, to: String },
    Link { from: String, to: String },
    Unlink(String),
    RemoveDirectory(String),
}

/// Every call, in the order in which they took effect.
///
/// The engine gives a file its final name by a bare system call, which passes by every library. It syncs the file under
/// that name right afterwards, and there the renaming is put in.
pub fn parse(mut bytes: &[u8]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: BTreeMap<String, String> = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        bytes = &bytes[end + 1..];
        let [op, path, other, offset, length] =
            head.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("a head: {head:?}"));
        let (path, other) = (path.to_owned(), other.to_owned());
        let offset: u64 = offset.parse().expect("an offset");
        let call = match op {
            "create" => {
                if name(&path).starts_with(UNFINISHED) {
                    unfinished.insert(folder(&path).to_owned(), path.clone());
                }
                Call::Create(path)
            }
            "mkdir" => Call::MakeDirectory(path),
            "write" => {
                let (data, rest) = bytes.split_at(length.parse().expect("a length"));
                bytes = rest;
                Call::Write { path, offset, data: data.to_vec() }
            }
            "truncate" => Call::Truncate { path, length: offset },
            "sync" => {
                let is_final = !name(&path).starts_with(UNFINISHED);
                if let Some(from) = is_final.then(|| unfinished.remove(folder(&path))).flatten() {
                    calls.push(Call::Rename { from, to: path.clone() });
                }
                Call::Sync(path)
            }
            "rename" => Call::Rename { from: path, to: other },
            "link" => Call::Link { from: path, to: other },
            "unlink" => Call::Unlink(path),
            "rmdir" => Call::RemoveDirectory(path),
            other => panic!("there is no call {other}"),
        };
        calls.push(call);
    }
    calls
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
