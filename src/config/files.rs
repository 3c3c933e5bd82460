//! Reads configuration files: the one place of this layer that touches the disk.
//!
//! It blocks, so it is called before the runtime starts, or on a reload from a thread of its own. Links are followed,
//! since mounted volumes are made of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::sys::file::{self, Unreadable};
use crate::config::listening::Interface;
use crate::config::problem::{Problem, Problems, SettingSource};

/// Bytes in one configuration file. A definition file with ten thousand services has about 4 MB; a path that
/// turns out to be a device or a database is refused before it fills the memory.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// Bytes of a file with the name of the host. Names have 64 at most.
const HOST_NAME_BYTES_MAX: u64 = 4096;

/// Reads one file as text.
///
/// # Errors
/// A problem that names the file, when it cannot be read, is no ordinary file, is longer than [`FILE_BYTES_MAX`] or is
/// not UTF-8.
pub fn read(path: &Path) -> Result<String, Problems> {
    file::read_text(path, FILE_BYTES_MAX).map_err(|unreadable| {
        let remedy = match &unreadable {
            Unreadable::System(_) => "check its path and permissions",
            Unreadable::Other(_) => "put a file in its place, or take it away",
            Unreadable::Long(_) => "split it",
            Unreadable::NoText => "save it as UTF-8",
        };
        problem(path, &unreadable.to_string(), remedy)
    })
}

/// The language that a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Settings.
    Toml,
    /// Definitions, and settings as Consul has them.
    Json,
    /// The same.
    Hcl,
}

impl FileFormat {
    /// What the name of a file says.
    pub fn of(path: &Path) -> Option<FileFormat> {
        match path.extension()?.to_str()? {
            "toml" => Some(FileFormat::Toml),
            "json" => Some(FileFormat::Json),
            "hcl" => Some(FileFormat::Hcl),
            _ => None,
        }
    }
}

/// What is in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The files to read, in the order of their names.
    pub files: Vec<(PathBuf, FileFormat)>,
    /// What else there is: other files, and directories.
    pub passed_over: Vec<PathBuf>,
}

/// The configuration files right in a directory: those whose names tell a language, and with `format` all others too.
///
/// # Errors
/// A problem that names the directory, when it cannot be listed.
pub fn list(directory: &Path, format: Option<FileFormat>) -> Result<Listed, Problems> {
    let listed = fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries =
        listed.map_err(|error| problem(directory, &error.to_string(), "check its path and permissions"))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    let mut listed = Listed::default();
    for path in paths {
        match FileFormat::of(&path).or(format) {
            Some(format) if !path.is_dir() => listed.files.push((path, format)),
            // Directories of mounted volumes hold the data behind their links under such names.
            _ if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("..")) => {}
            _ => listed.passed_over.push(path),
        }
    }
    Ok(listed)
}

/// The addresses of this machine; none where the system does not tell.
pub fn interfaces() -> Vec<Interface> {
    let interface = |it: if_addrs::Interface| Interface { address: it.ip(), name: it.name };
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(interface).collect()
}

fn problem(path: &Path, complaint: &str, remedy: &str) -> Problems {
    Problems(vec![Problem {
        key: "file".to_owned(),
        value: String::new(),
        origin: SettingSource::File(path.to_path_buf()),
        complaint: complaint.to_owned(),
        allowed: "a readable UTF-8 file up to 16 MiB".to_owned(),
        remedy: remedy.to_owned(),
    }])
}

/// The name of the host, which is the default name of the node.
pub fn host_name() -> Option<String> {
    let read = |path: &str| file::read_text(Path::new(path), HOST_NAME_BYTES_MAX);
    let kernel = read("/proc/sys/kernel/hostname").or_else(|_| read("/etc/hostname"));
    let name = kernel.ok().or_else(|| std::env::var("HOSTNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The names that this machine has, the short one first. Nobody is asked: what the hosts file says of its name and what
/// the resolver adds to it, is what `hostname -f` finds as well.
pub fn own_names() -> Vec<String> {
    let Some(host) = host_name() else { return Vec::new() };
    let read = |path: &str| file::read_text(Path::new(path), file::LIST_BYTES_MAX).unwrap_or_default();
    let mut names = whole_names(&host, &read("/etc/hosts"), &read("/etc/resolv.conf"));
    names.insert(0, host);
    names
}

/// Names of the form `HOST.DOMAIN` that belong to `host`, by the texts of `hosts(5)` and `resolv.conf(5)`; and of a
/// host that is called by its whole name, the short one.
fn whole_names(host: &str, hosts: &str, resolver: &str) -> Vec<String> {
    let short = host.split('.').next().unwrap_or(host);
    let is_of_host = |name: &&str| {
        let rest = name.get(..short.len()).filter(|it| it.eq_ignore_ascii_case(short));
        rest.is_some() && name[short.len()..].starts_with('.') && name.len() > short.len() + 1
    };
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !name.eq_ignore_ascii_case(host) && !names.iter().any(|it| it.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    };
    if host.contains('.') {
        add(short.to_owned());
    }
    for line in hosts.lines() {
        let of_line = || line.split('#').next().unwrap_or_default().split_ascii_whitespace().skip(1);
        if of_line().any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(short)) {
            of_line().filter(is_of_host).for_each(|name| add(name.to_owned()));
        }
    }
    // The last line of either counts, and of several domains the first.
    let mut lines = resolver.lines().rev().map(str::split_ascii_whitespace);
    let domain = lines.find_map(|mut words| {
        matches!(words.next(), Some("search" | "domain")).then(|| words.next().unwrap_or_default())
    });
    let domain = domain.unwrap_or_default().trim_matches('.');
    if !domain.is_empty() && !host.contains('.') {
        add(format!("{host}.{domain}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_in_order_and_without_strangers() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["b.json", "a.toml", "c.json.bak", "README", "d.hcl", "e.yaml"] {
            fs::write(directory.path().join(name), "x").expect("a small file can be written");
        }
        for name in ["..data", "sub", "f.json"] {
            fs::create_dir(directory.path().join(name)).expect("a directory can be made");
        }
        let names = |paths: &mut dyn Iterator<Item = &PathBuf>| -> Vec<String> {
            paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
        };
        let listed = list(directory.path(), None).expect("it exists");
        assert_eq!(names(&mut listed.files.iter().map(|(path, _)| path)), ["a.toml", "b.json", "d.hcl"]);
        assert_eq!(
            names(&mut listed.passed_over.iter()),
            ["README", "c.json.bak", "e.yaml", "f.json", "sub"]
        );
        let listed = list(directory.path(), Some(FileFormat::Hcl)).expect("it exists");
        assert_eq!(listed.files.len(), 6);
        assert_eq!(names(&mut listed.passed_over.iter()), ["f.json", "sub"]);
    }

    #[test]
    fn a_host_is_known_by_its_whole_name() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tWeb1.example.com web1 # web1.comment\n10.0.0.9 web10.example.com\n\
                     10.0.0.1 other web1.b.example web1";
        let rows: [(&str, &str, &str, &[&str]); 7] = [
            ("web1", hosts, "", &["Web1.example.com", "web1.b.example"]),
            ("web1", "", "search corp.example. lan\n", &["web1.corp.example"]),
            ("web1", "", "domain a.example\nnameserver 10.0.0.1\nsearch b.example", &["web1.b.example"]),
            ("web1", "10.0.0.1 web1.lan web1", "search lan", &["web1.lan"]),
            ("web1.example.com", hosts, "search lan", &["web1", "web1.b.example"]),
            ("web1", "10.0.0.1 web1. web1", "search .", &[]),
            ("web1", "", "nameserver 10.0.0.1", &[]),
        ];
        for (host, hosts, resolver, expected) in rows {
            assert_eq!(whole_names(host, hosts, resolver), expected, "{host} {resolver}");
        }
        assert_eq!(own_names().first(), host_name().as_ref());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let latin = directory.path().join("latin.toml");
        fs::write(&latin, [0xe9]).expect("a small file can be written");
        let long = directory.path().join("long.toml");
        let file = fs::File::create(&long).expect("a file can be made");
        file.set_len(FILE_BYTES_MAX + 1).expect("a sparse file can be made");
        let absent = directory.path().join("absent.toml");
        let pipe = directory.path().join("pipe.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
        let rows = [
            (&latin, "not UTF-8"),
            (&long, "than 16 MiB"),
            (&absent, "No such file"),
            (&pipe, "a named pipe"),
        ];
        for (path, said) in rows {
            let problems = read(path).expect_err("it cannot be read");
            assert!(problems.0[0].complaint.contains(said), "{problems}");
            assert_eq!(problems.0[0].origin, SettingSource::File(path.clone()));
        }
        file.set_len(FILE_BYTES_MAX).expect("a sparse file can be made");
        assert!(read(&long).is_ok(), "the longest file is accepted");
        assert!(list(&absent, None).is_err());
    }
}
