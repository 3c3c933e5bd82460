//! A store whose index leaves room for no change, as a Redis that somebody else has written to may bring it: no start takes
//! it, the refusal names the remedy, and the remedy makes a directory that starts.
//!
//! A program of its own: it starts others, and what is started has for a moment every file open that its parent has. The
//! fault tests hold the locks of their directories in their own process.

#[path = "../it/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use muster::store::change::{Batch, RowChange, Table};
use muster::store::embedded::{EmbeddedStore, EngineLimits};
use muster::store::rows::Store;

use crate::support::process::{Process, muster_binary};

/// The last index but one that 64 bits hold.
const SPENT: u64 = u64::MAX - 1;

#[test]
fn an_index_at_its_end_is_refused_with_a_remedy_that_works() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let (spent, mended) = (base.path().join("spent"), base.path().join("mended"));
    let body = r#"{"Name":"web","Port":80}"#;
    let mut muster = Process::muster_on(&spent, &[]).expect("it starts");
    let answer = muster.client().put("/v1/agent/service/register", body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    muster.stop().expect("it ends");
    commit_at(SPENT, &spent);

    let Err(refusal) = Process::muster_on(&spent, &[]) else { panic!("it starts at index {SPENT}") };
    let remedy = format!("`muster store repair {} --into NEW`", spent.display());
    assert!(refusal.contains(&SPENT.to_string()) && refusal.contains(&remedy), "{refusal}");

    let mut repair = Command::new(muster_binary());
    repair.args(["store", "repair"]).arg(&spent).arg("--into").arg(&mended);
    let output = repair.output().expect("the built program runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "nothing is lost: {said}");
    let muster = Process::muster_on(&mended, &[]).expect("what was made starts");
    let services = muster.client().get("/v1/agent/services").expect("an answer").json();
    assert_eq!(services["web"]["Port"], 80, "{services}");
    let answer = muster.client().put("/v1/agent/service/register", body.replace("80", "81").as_str());
    assert_eq!(answer.expect("an answer").status, 200, "and takes changes");
}

/// Writes a row once more, at this index.
fn commit_at(index: u64, directory: &Path) {
    let mut store =
        EmbeddedStore::open(directory, jiff::Timestamp::now(), EngineLimits::default()).expect("it opens");
    let mut node = None;
    let mut keep = |table: Table, key: &str, value: &[u8]| {
        if table == Table::Nodes {
            node = Some(RowChange::put(table, key, value));
        }
        Ok(())
    };
    store.load(&mut keep).expect("it loads");
    let changes = node.into_iter().collect();
    store.commit(&Batch { index, changes }).expect("a commit");
}
