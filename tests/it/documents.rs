//! What the pages tell people to type works as they say. Every block of commands in `README.md` and `docs/*.md` is run
//! against a fresh agent, page by page, and what it prints is compared with what the page shows; every example of a
//! configuration is validated.
//!
//! An agent that a page starts (`$ muster agent --dev …`) goes on until the page ends, on ports of its own.
//!
//! A block is left out by the line before it: `<!-- not run: REASON -->`. In what is shown `…` stands for anything, and
//! numbers that are another's each time (times, spans, indexes) are not compared.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::support::process::{Process, free_port, muster_binary};

/// What a page says, and what a test types in its place. Waits are shorter, so that the suite is.
const SHORTENED: &[(&str, &str)] = &[(r#""TTL":"30s""#, r#""TTL":"3s""#)];

/// Longest time for one command.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(60);

/// One block of a page.
struct Block {
    page: String,
    line: usize,
    language: String,
    text: String,
    /// Why it cannot be run.
    left_out: Option<String>,
}

/// One command, with what the page shows of its output.
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that people read.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("there are pages");
    let docs = docs.map(|entry| entry.expect("an entry of the directory").path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("a page can be read");
    let name = page.strip_prefix(root()).expect("a page of the repository").display().to_string();
    let (mut blocks, mut open, mut before): (Vec<Block>, Option<Block>, &str) = (Vec::new(), None, "");
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let reason = before.strip_prefix("<!-- not run: ").and_then(|it| it.strip_suffix(" -->"));
                let left_out = reason.map(str::to_owned);
                let language = language.to_owned();
                open =
                    Some(Block { page: name.clone(), line: number, language, text: String::new(), left_out });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// The commands of a block. With prompts, what stands between them is output; without, each line is a command and
/// nothing is shown. A line that ends in a backslash goes on.
fn steps(block: &Block) -> Vec<Step> {
    let (mut steps, mut goes_on): (Vec<Step>, bool) = (Vec::new(), false);
    for (line, number) in block.text.lines().zip(block.line + 1..) {
        let typed = match block.language.as_str() {
            "console" => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
            _ => Some(line).filter(|line| !line.trim().is_empty()),
        };
        match (typed, steps.last_mut()) {
            (_, Some(step)) if goes_on => step.command += &format!("\n{line}"),
            (Some(command), _) => {
                steps.push(Step { line: number, command: command.to_owned(), shown: Vec::new() });
            }
            (None, Some(step)) => step.shown.push(line.to_owned()),
            (None, None) => {}
        }
        goes_on = line.ends_with('\\') && (goes_on || typed.is_some());
    }
    steps
}

/// A line with everything taken out that is another's each time.
fn settled(line: &str) -> String {
    static CHANGING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rows = [
            (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
            (r"\b\d+(\.\d+)?(ns|µs|ms|s|m|h)(\d+(\.\d+)?(ms|s|m))*\b", "SPAN"),
            (r#"((?i)index"?[:=] ?)\d+"#, "${1}INDEX"),
            (r"\b(process|pid)([ =])\d+", "$1${2}PROCESS"),
        ];
        rows.map(|(pattern, by)| (Regex::new(pattern).expect("the pattern is valid"), by)).into()
    });
    let settled = CHANGING
        .iter()
        .fold(line.to_owned(), |line, (pattern, by)| pattern.replace_all(&line, *by).into_owned());
    settled.trim_end().to_owned()
}

/// Whether what came is what is shown: line by line, `…` within a line for anything, and alone for any lines.
fn is_shown(shown: &[String], came: &[&str]) -> bool {
    match shown {
        [] => came.is_empty(),
        [any, rest @ ..] if any.trim() == "…" => (0..=came.len()).any(|at| is_shown(rest, &came[at..])),
        [line, rest @ ..] => came.split_first().is_some_and(|(first, others)| {
            let pattern = settled(line).split('…').map(regex::escape).collect::<Vec<_>>().join(".*");
            let pattern = Regex::new(&format!("^{pattern}$")).expect("an escaped pattern is valid");
            pattern.is_match(&settled(first)) && is_shown(rest, others)
        }),
    }
}

/// A page's agent, and a directory in which `muster` is on the path.
struct Scene {
    process: Process,
    directory: tempfile::TempDir,
    /// Where the page's own agents listen: HTTP, and HTTPS.
    ports: [u16; 2],
    agents: Vec<Child>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let admin = format!("unix://{}", directory.path().join("admin.sock").display());
        let process = Process::muster(&["--admin-addr", &admin]).expect("muster starts");
        let put = |name: &str, to: &Path| {
            std::os::unix::fs::symlink(to, directory.path().join(name)).expect("a link")
        };
        fs::create_dir(directory.path().join("bin")).expect("a directory");
        put("bin/muster", &muster_binary());
        put("scripts", &root().join("scripts"));
        put("muster-data", &process.data_dir());
        // On a terminal it shows none by itself.
        fs::write(directory.path().join(".curlrc"), "no-progress-meter\n").expect("a file can be written");
        Scene { process, directory, ports: [free_port(), free_port()], agents: Vec::new() }
    }

    /// As the page has it, with this agent in the place of the page's.
    fn placed(&self, text: &str) -> String {
        let address = self.process.address.to_string();
        let data_dir = self.process.data_dir().display().to_string();
        let text = SHORTENED.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        text.replace("localhost:8500", &address)
            .replace("127.0.0.1:8500", &address)
            .replace(":8501", &format!(":{}", self.ports[1]))
            .replace("/var/lib/muster", &data_dir)
            .replace(
                "/run/muster/admin.sock",
                &self.directory.path().join("admin.sock").display().to_string(),
            )
            .replace("systemctl reload muster", &format!("kill -HUP {}", self.process.pid()))
    }

    /// Starts an agent of the page's own, which goes on; gives what it prints until it prints so many lines or ends.
    fn start(&mut self, variables: &str, command: &str, lines: usize) -> String {
        let own = format!("127.0.0.1:{}", self.ports[0]);
        let printed = self.directory.path().join(format!("agent-{}", self.agents.len()));
        let out = File::create(&printed).expect("a file can be made");
        let mut shell = self.shell(&format!("{variables}\nexec {}", self.placed(command)));
        shell.env("MUSTER_HTTP_ADDR", &own).stdout(out).stderr(Stdio::null());
        self.agents.push(shell.spawn().expect("bash runs"));
        let deadline = Instant::now() + COMMAND_WAIT_MAX;
        loop {
            let has_ended = self.agents.last_mut().is_some_and(|it| !matches!(it.try_wait(), Ok(None)));
            let text = fs::read_to_string(&printed).expect("a file can be read");
            if text.matches('\n').count() >= lines || has_ended || Instant::now() > deadline {
                return text.replace(&own, &self.process.address.to_string());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bash, which is to do this, as somebody who has this page before him.
    fn shell(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell.args(["-c", script]);
        shell.env("PATH", format!("{}:{path}", self.directory.path().join("bin").display()));
        shell.env("CURL_HOME", self.directory.path());
        shell.env("MUSTER_HTTP_ADDR", self.process.address.to_string());
        shell.current_dir(self.directory.path()).stdin(Stdio::null());
        shell
    }

    /// Runs one command; gives what it printed.
    fn run(&self, variables: &str, command: &str) -> String {
        let seconds = COMMAND_WAIT_MAX.as_secs();
        let script = format!("{variables}\nexec 2>&1\n{}", self.placed(command));
        let mut shell = self.shell(r#"exec timeout "$0" bash -c "$1""#);
        shell.args([&seconds.to_string(), &script]);
        let output = shell.output().expect("timeout and bash run");
        assert_ne!(output.status.code(), Some(124), "{command}: it does not end");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Runs the blocks of one page; gives what was not as it says.
fn judge(page: &Path) -> Vec<String> {
    let is_commands = |block: &Block| matches!(&*block.language, "console" | "sh");
    let blocks: Vec<Block> = blocks(page).into_iter().filter(is_commands).collect();
    if blocks.iter().all(|block| block.left_out.is_some()) {
        return Vec::new();
    }
    let (mut scene, mut wrong, mut variables) = (Scene::new(), Vec::new(), String::new());
    for block in blocks.iter().filter(|block| block.left_out.is_none()) {
        for step in steps(block) {
            // A variable that is set holds for the rest of the page, as in one shell.
            let name = step.command.split_once('=').map(|(name, _)| name);
            if name
                .is_some_and(|it| it.starts_with("export ") || it.chars().all(|it| it.is_ascii_uppercase()))
            {
                variables += &format!("{}\n", scene.placed(&step.command));
                continue;
            }
            let output = match step.command.starts_with("muster agent --dev ") {
                true => scene.start(&variables, &step.command, step.shown.len()),
                false => scene.run(&variables, &step.command),
            };
            let shown: Vec<String> = step.shown.iter().map(|line| scene.placed(line)).collect();
            let came: Vec<&str> = output.lines().collect();
            if block.language == "console" && !is_shown(&shown, &came) {
                wrong.push(format!(
                    "{}:{}: $ {}\n  shown:\n{}\n  printed:\n{output}",
                    block.page,
                    step.line,
                    step.command,
                    shown.join("\n"),
                ));
            }
        }
    }
    wrong
}

#[test]
fn every_documented_command_does_what_its_page_says() {
    let judged: Vec<_> = pages().into_iter().map(|page| std::thread::spawn(move || judge(&page))).collect();
    let wrong: Vec<String> =
        judged.into_iter().flat_map(|page| page.join().expect("no panic on any page")).collect();
    assert!(wrong.is_empty(), "{} commands do not:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn what_is_left_out_says_why() {
    for block in pages().iter().flat_map(|page| blocks(page)) {
        if let Some(reason) = block.left_out {
            println!("{}:{} is not run: {reason}", block.page, block.line);
            assert!(reason.len() >= 20, "{}:{}: a reason is a sentence", block.page, block.line);
        }
    }
}

#[test]
fn every_example_of_a_configuration_is_valid() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let secret = directory.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef").expect("a file can be written");
    let is_example = |block: &Block| block.language == "toml" && block.left_out.is_none();
    for block in pages().iter().flat_map(|page| blocks(page)).filter(is_example) {
        let file = directory.path().join("muster.toml");
        let text = block.text.replace("/etc/muster/deployer.secret", &secret.display().to_string());
        fs::write(&file, text).expect("a file can be written");
        let output = Command::new(muster_binary()).arg("validate").arg(&file).output().expect("muster runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{}:{}: {said}", block.page, block.line);
    }
}

#[test]
fn what_is_shown_is_compared() {
    let rows = [
        ("a\nb", "a\nb", true),
        ("a", "a\nb", false),
        ("a…c\n…\nz", "abbc\n1\n2\nz", true),
        ("a…c", "ab", false),
        ("…", "", true),
        ("X-Consul-Index: 3", "X-Consul-Index: 4711", true),
        ("took 14.2ms at 2026-01-01T00:00:00.000Z", "took 3s at 2027-12-31T23:59:59.9Z", true),
        ("Port 8080", "Port 8081", false),
    ];
    for (shown, came, expected) in rows {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        let came: Vec<&str> = came.lines().collect();
        assert_eq!(is_shown(&shown, &came), expected, "{shown:?} {came:?}");
    }
}

#[test]
fn a_script_without_an_agent_says_so_once() {
    for script in ["seed", "smoke"] {
        let mut command = Command::new(root().join("scripts").join(script));
        let output = command.env("MUSTER_HTTP_ADDR", "127.0.0.1:1").output().expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{script}: {said}");
        assert!(said.starts_with("nobody answers on http://127.0.0.1:1: "), "{script}: {said}");
    }
}
