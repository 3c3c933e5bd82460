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
    let plan = succeeds(&["store", "repair", text(&damaged)]);
    assert!(plan.contains("acknowledged rows can be kept") && plan.contains("nothing was written"), "{plan}");
    let done = succeeds(&["store", "repair", text(&damaged), "-into", text(&sound)]);
    assert!(done.contains("made "), "{done}");
    assert!(tree(&damaged) == before, "the damaged one is left alone");
    let (code, again) = said(&["store", "repair", text(&damaged), "-into", text(&sound)]);
    assert!(code == 1, "what is there is not overwritten: {again}");
    let repaired = Process::muster_on(&sound, &[]).expect("it starts");
    assert_eq!(services(&mut repaired.client()).len(), 19, "all but the last");
}
