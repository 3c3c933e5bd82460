//! The gate on speed: no request costs more instructions than the baseline allows. A busy machine does not change what is
//! counted, so this may fail for one reason only.

use std::process::Command;

#[test]
fn no_request_costs_more_instructions_than_the_baseline_allows() {
    if let Err(error) = Command::new("valgrind").arg("--version").output() {
        assert!(std::env::var_os("CI").is_none(), "valgrind is part of scripts/test-deps: {error}");
        return eprintln!("skipped: valgrind cannot be started: {error}");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/instructions");
    let output = Command::new(script).args([env!("CARGO_BIN_EXE_muster"), "--check"]).output();
    let output = output.expect("python3 is part of scripts/test-deps");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    println!("{}", String::from_utf8_lossy(&said));
}
