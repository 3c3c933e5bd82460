//! The data directory of an agent that is stopped: looked into, and saved from.

use std::fs;

use super::{register, said, services, succeeds, text};
use crate::restart::files::{copy, tree};
use crate::support::process::Process;

#[test]
fn a_directory_is_looked_into_and_stays_as_it_is() {
    let mut muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    (0..20).for_each(|number| register(&mut client, &format!("s{number}"), "web", number));
    let (code, sentence) = said(&["store", "inspect", text(&muster.data_dir())]);
    assert!(code == 1 && sentence.contains(&format!("process {}", muster.pid())), "{code} {sentence}");
    muster.kill();
    let data_dir = muster.data_dir();
    let before = tree(&data_dir);
    let told = succeeds(&["store", "inspect", text(&data_dir)]);
    assert!(told.contains("services    21 rows") && told.contains("it is whole"), "{told}");
    assert!(succeeds(&["store", "repair", text(&data_dir)]).contains("nothing was written"));
    assert!(tree(&data_dir) == before);
    assert_eq!(
        fs::read_dir(data_dir.parent().expect("it has one")).expect("it lists").count(),
        2,
        "log and data"
    );
    muster.start_again().expect("it starts again");
    assert_eq!(services(&mut muster.client()).len(), 20);
}

#[test]
fn what_can_be_read_of_a_damaged_one_makes_a_sound_one() {
    let mut muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    (0..20).for_each(|number| register(&mut client, &format!("s{number}"), "web", number));
    muster.kill();
    let base = tempfile::tempdir().expect("a temporary directory");
    let (damaged, sound) = (base.path().join("damaged"), base.path().join("sound"));
    copy(&muster.data_dir(), &damaged);
    // The end of what was written to the journal is lost.
    let journal =
        fs::read_dir(damaged.join("rows")).expect("it lists").map(|it| it.expect("an entry").path());
    let journal =
        journal.filter(|path| path.extension().is_some_and(|it| it == "jnl")).max().expect("a journal");
    let bytes = fs::read(&journal).expect("it can be read");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    fs::File::options()
        .write(true)
        .open(&journal)
        .expect("it opens")
        .set_len(used as u64 - 40)
        .expect("it is cut");

    let before = tree(&damaged);
    let (code, told) = said(&["store", "inspect", text(&damaged)]);
    assert!(
        code == 1 && told.contains("it is damaged") && told.contains("muster store repair"),
        "{code} {told}"
    );
    let (code, plan) = said(&["store", "repair", text(&damaged)]);
    assert!(code == 1, "something would be lost: {plan}");
    assert!(plan.contains("acknowledged rows can be kept") && plan.contains("nothing was written"), "{plan}");
    let (code, done) = said(&["store", "repair", text(&damaged), "-into", text(&sound)]);
    assert!(code == 1 && done.contains("made ") && done.contains("not all there was"), "{code} {done}");
    assert!(tree(&damaged) == before, "the damaged one is left alone");
    let (code, again) = said(&["store", "repair", text(&damaged), "-into", text(&sound)]);
    assert!(code == 1, "what is there is not overwritten: {again}");
    let repaired = Process::muster_on(&sound, &[]).expect("it starts");
    assert_eq!(services(&mut repaired.client()).len(), 19, "all but the last");
}

/// What stands beside the rows can be made anew, and nothing of them is lost; only whether they are all may be unknown.
#[test]
fn rows_outlive_the_files_beside_them() {
    let mut muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    (0..4).for_each(|number| register(&mut client, &format!("s{number}"), "web", number));
    let node_id = client.get("/v1/agent/self").expect("an answer").json()["Config"]["NodeID"].clone();
    muster.kill();
    let base = tempfile::tempdir().expect("a temporary directory");
    let rows = [
        ("identity.json", None, 0, "identity.json: it is missing"),
        ("identity.json", Some("{"), 0, "identity.json: EOF while parsing"),
        ("witness", None, 1, "they add up, and whether anything was written later cannot be told"),
    ];
    for (number, (file, text_of_it, code_expected, words)) in rows.into_iter().enumerate() {
        let at = |name: &str| base.path().join(format!("{name}-{number}"));
        let (damaged, made) = (at("damaged"), at("made"));
        copy(&muster.data_dir(), &damaged);
        match text_of_it {
            Some(text) => fs::write(damaged.join(file), text).expect("it can be written"),
            None => fs::remove_file(damaged.join(file)).expect("it is there"),
        }
        let refusal = Process::muster_on(&damaged, &[]).err().expect("no start");
        assert!(refusal.contains("muster store repair DATA_DIR --into NEW"), "{refusal}");
        let before = tree(&damaged);
        let (code, told) = said(&["store", "inspect", text(&damaged)]);
        assert!(code == 1 && told.contains("services    5 rows") && told.contains(file), "{code} {told}");
        let (code, told) = said(&["store", "repair", text(&damaged), "-into", text(&made)]);
        assert!(code == code_expected && told.contains(words), "{code} {told}");
        assert_eq!(told.contains("may not be all there was"), code == 1, "{told}");
        assert!(!told.contains("is not all there was"), "{told}");
        assert!(tree(&damaged) == before, "the damaged one is left alone");
        let repaired = Process::muster_on(&made, &[]).expect("it starts");
        let mut client = repaired.client();
        assert_eq!(services(&mut client).len(), 4, "{file}");
        let own = client.get("/v1/agent/self").expect("an answer").json();
        assert_eq!(own["Config"]["NodeID"], node_id, "{file}");
    }
}

#[test]
fn of_what_nothing_can_be_kept_nothing_is_made() {
    let mut muster = Process::muster(&[]).expect("it starts");
    register(&mut muster.client(), "a", "web", 1);
    muster.kill();
    let base = tempfile::tempdir().expect("a temporary directory");
    let (damaged, made) = (base.path().join("damaged"), base.path().join("made"));
    copy(&muster.data_dir(), &damaged);
    let journal =
        fs::read_dir(damaged.join("rows")).expect("it lists").map(|it| it.expect("an entry").path());
    for path in journal.filter(|path| path.extension().is_some_and(|it| it == "jnl")) {
        let bytes = fs::read(&path).expect("it can be read");
        fs::write(&path, bytes.iter().map(|byte| byte ^ 0x55).collect::<Vec<_>>())
            .expect("it can be written");
    }
    for arguments in [&[][..], &["-into", text(&made)]] {
        let (code, told) = said(&[&["store", "repair", text(&damaged)], arguments].concat());
        assert!(code == 1 && told.contains("nothing was written, for nothing can be kept"), "{code} {told}");
        assert!(!told.contains("start muster with") && !told.contains("Error"), "{told}");
    }
    let names = fs::read_dir(base.path()).expect("it lists").map(|it| it.expect("an entry").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["damaged"], "nothing is left beside it");
}

#[test]
fn rows_outlive_what_the_engine_notes_beside_them() {
    let mut muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    (0..4).for_each(|number| register(&mut client, &format!("s{number}"), "web", number));
    muster.kill();
    let base = tempfile::tempdir().expect("a temporary directory");
    for (number, file) in
        ["keyspaces/0/tables/0", "keyspaces/0/current", "keyspaces/1/current", "version"].iter().enumerate()
    {
        let at = |name: &str| base.path().join(format!("{name}-{number}"));
        let (damaged, made) = (at("damaged"), at("made"));
        copy(&muster.data_dir(), &damaged);
        let path = damaged.join("rows").join(file);
        let mut bytes = fs::read(&path).expect("it can be read");
        let middle = bytes.len() / 2 - 2;
        bytes[middle..middle + 4].iter_mut().for_each(|byte| *byte = !*byte);
        fs::write(&path, bytes).expect("it can be written");
        assert_eq!(said(&["store", "inspect", text(&damaged)]).0, 1, "{file}");
        let told = succeeds(&["store", "repair", text(&damaged), "-into", text(&made)]);
        assert!(told.contains("is damaged") && told.contains(": 0 cannot be read, 0 make"), "{file}: {told}");
        let repaired = Process::muster_on(&made, &[]).expect("it starts");
        assert_eq!(services(&mut repaired.client()).len(), 4, "{file}");
    }
}
