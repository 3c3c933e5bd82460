//! Checks of services of the operating system, of a systemd that the test starts: a manager of its own, as a user has one,
//! which needs no machine that was booted with systemd. It is root's to give it a `/run` of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::registry::Registry;
use super::target::skip;

/// Where Debian has it.
const SYSTEMD: &str = "/lib/systemd/systemd";

/// Longest wait for it to be up, or to be over.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The unit it begins with, for its own would start whatever the machine has.
const NOTHING: &str = "[Unit]\nDefaultDependencies=no\n";

const UNIT: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 1000\n";

/// A systemd that runs. Dropping it ends it and its services.
struct Manager {
    child: Child,
    directory: TempDir,
}

impl Manager {
    /// Starts one that has the service `web`.
    ///
    /// # Errors
    /// Why there is none to be had.
    fn start() -> Result<Manager, String> {
        if !Path::new(SYSTEMD).exists() {
            return Err(format!("{SYSTEMD} is not there; scripts/test-deps installs it"));
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("it is below the directory")).expect("a directory");
            fs::write(&path, text).expect("a file can be written");
            path
        };
        put("config/systemd/user/nothing.target", NOTHING);
        put("config/systemd/user/web.service", UNIT);
        put("run/empty", "");
        // What muster finds instead of the machine's: the same program, which asks the manager of the test.
        let asks = put("bin/systemctl", "#!/bin/sh\nPATH=/usr/bin:/bin exec systemctl --user \"$@\"\n");
        fs::set_permissions(asks, fs::Permissions::from_mode(0o755)).expect("it is the test's own");
        // It starts only where it finds traces of a machine that was booted with it.
        let line = format!(
            "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec {SYSTEMD} --user --unit=nothing.target"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "/bin/sh", "-c", &line]).stdin(Stdio::null());
        command.envs(environment(directory.path())).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`unshare` cannot be run: {error}"))?;
        let mut manager = Manager { child, directory };
        manager.wait_until_up()?;
        Ok(manager)
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + WAIT_MAX;
        while !self.tell(&["is-active", "--quiet", "nothing.target"]) {
            let ended = self.child.try_wait().expect("a child can be waited for");
            if ended.is_some() || Instant::now() > deadline {
                return Err("systemd does not run here, not even as that of a user".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it does what it is told.
    fn tell(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new(self.bin().join("systemctl"));
        command.args(arguments).envs(environment(self.directory.path()));
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // In order, so that it takes its services and their control groups along.
        self.tell(&["exit"]);
        let deadline = Instant::now() + WAIT_MAX;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variables by which manager and `systemctl` find each other.
fn environment(directory: &Path) -> [(&'static str, PathBuf); 2] {
    [("XDG_RUNTIME_DIR", directory.join("run")), ("XDG_CONFIG_HOME", directory.join("config"))]
}

#[test]
fn a_unit_must_be_active() {
    let manager = match Manager::start() {
        Ok(manager) => manager,
        Err(reason) => return skip(&reason),
    };
    let variables = environment(manager.directory.path());
    let bin = manager.bin();
    let environment = [("PATH", bin.as_path()), (variables[0].0, variables[0].1.as_path())];
    let mut registry = Registry::start_with(&[], &environment);
    registry.check("web", json!({"OSService": "web.service"}));
    registry.check("nobody", json!({"OSService": "no-such-unit"}));
    let unhealthy = "service status: inactive - OS Service unhealthy";
    registry.wait_for("web", "critical", unhealthy);
    registry.wait_for("nobody", "critical", unhealthy);

    assert!(manager.tell(&["start", "web"]));
    let check = registry.wait_for("web", "passing", "Service \"web.service\" is healthy");
    assert_eq!(check["Type"], "os_service");
    assert!(manager.tell(&["kill", "--signal=KILL", "web"]));
    registry.wait_for("web", "critical", "service status: failed - OS Service unhealthy");
    assert!(manager.tell(&["start", "web"]));
    registry.wait_for("web", "passing", "is healthy");

    drop(manager);
    registry.wait_for("web", "critical", "systemd cannot be asked: ");
}

#[test]
fn a_machine_without_systemd_is_told_of() {
    let nothing = tempfile::tempdir().expect("a temporary directory");
    let mut registry = Registry::start_with(&[], &[("PATH", nothing.path())]);
    registry.check("web", json!({"OSService": "web.service"}));
    registry.wait_for(
        "web",
        "critical",
        "systemd cannot be asked: exec: \"systemctl\": executable file not found",
    );
}
