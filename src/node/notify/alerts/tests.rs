//! Which alerts are posted when.

use super::*;

fn key(check_id: &str, severity: Status) -> AlertKey {
    let subject = Subject { node: "n1".into(), service_id: "web-1".into(), check_id: check_id.into() };
    AlertKey { subject, severity }
}

fn firing(keys: &[AlertKey]) -> BTreeMap<AlertKey, Alert> {
    let alert = Alert { node: "n1".into(), service: "web".into(), ..Alert::default() };
    keys.iter().map(|key| (key.clone(), alert.clone())).collect()
}

fn at(ms: u64) -> Now {
    Now { monotonic_ms: ms, unix_ms: 1_000_000_000 + ms }
}

/// What a post says: check, severity, and whether the alert has ended by `ms`.
fn said(bodies: &[Vec<u8>], ms: u64) -> Vec<(String, String, bool)> {
    let now = rfc3339(at(ms).unix_ms);
    let mut said = Vec::new();
    for body in bodies {
        let alerts: Vec<Value> = serde_json::from_slice(body).unwrap();
        for alert in alerts {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let labels = &alert["labels"];
            said.push((text(&labels["check"]), text(&labels["severity"]), text(&alert["endsAt"]) <= now));
        }
    }
    said
}

fn row(check: &str, severity: &str, has_ended: bool) -> (String, String, bool) {
    (check.to_owned(), severity.to_owned(), has_ended)
}

#[test]
fn alerts_are_raised_repeated_and_ended() {
    let mut alerts = Alerts::default();
    let (a, b) = (key("a", Status::Critical), key("b", Status::Warning));
    let mut post = |ms: u64, keys: &[AlertKey]| {
        let bodies = alerts.plan(at(ms), firing(keys), "dc1");
        if !bodies.is_empty() {
            alerts.finish(at(ms), true);
        }
        said(&bodies, ms)
    };
    assert_eq!(post(0, &[]), []);
    assert_eq!(post(1_000, std::slice::from_ref(&a)), [row("a", "critical", false)]);
    assert_eq!(post(2_000, &[a.clone(), b.clone()]), [row("b", "warning", false)], "only what is new");
    assert_eq!(post(3_000, &[a.clone(), b.clone()]), []);
    let all = [row("a", "critical", false), row("b", "warning", false)];
    assert_eq!(post(REPEAT_MS, &[a.clone(), b.clone()]), all);
    assert_eq!(
        post(REPEAT_MS + 1, &[key("a", Status::Warning), b]),
        [row("a", "critical", true), row("a", "warning", false)]
    );
    assert_eq!(post(REPEAT_MS + 2, &[]), [row("a", "warning", true), row("b", "warning", true)]);
    assert_eq!(post(3 * REPEAT_MS, &[]), []);
}

#[test]
fn what_was_over_before_the_start_is_ended() {
    let mut alerts = Alerts::default();
    alerts.note_ended(key("a", Status::Critical), Alert::default());
    assert_eq!(said(&alerts.plan(at(0), firing(&[]), "dc1"), 0), [row("a", "critical", true)]);
}

#[test]
fn a_failed_post_is_tried_again_with_everything() {
    let mut alerts = Alerts::default();
    let a = key("a", Status::Critical);
    alerts.plan(at(0), firing(std::slice::from_ref(&a)), "dc1");
    assert_eq!(alerts.next_due_ms(), None);
    alerts.finish(at(0), false);
    alerts.note_change(at(1));
    assert_eq!(alerts.next_due_ms(), Some(BACK_OFF_MS), "changes do not hurry what fails");
    let b = key("b", Status::Critical);
    let bodies = alerts.plan(at(1_000), firing(&[b]), "dc1");
    assert_eq!(said(&bodies, 1_000), [row("a", "critical", true), row("b", "critical", false)]);
    alerts.finish(at(1_000), false);
    assert_eq!((alerts.next_due_ms(), alerts.is_failing()), (Some(1_000 + 2 * BACK_OFF_MS), false));
    alerts.plan(at(3_000), firing(&[]), "dc1");
    alerts.finish(at(3_000), false);
    assert!(alerts.is_failing());
    let later = 3_000 + ENDED_KEPT_MS;
    assert_eq!(said(&alerts.plan(at(later), firing(&[]), "dc1"), later), [], "it has ended by itself");
}

#[test]
fn changes_are_told_at_once_but_a_crowd_of_them_makes_few_posts() {
    let mut alerts = Alerts::default();
    alerts.plan(at(0), firing(&[]), "dc1");
    alerts.note_change(at(5_000));
    assert_eq!(alerts.next_due_ms(), Some(5_000));
    alerts.plan(at(5_000), firing(&[key("a", Status::Critical)]), "dc1");
    alerts.note_change(at(5_001));
    alerts.finish(at(5_002), true);
    assert_eq!(alerts.next_due_ms(), Some(5_002 + PAUSE_MS));
}

#[test]
fn many_alerts_are_several_posts() {
    for (count, posts) in [(PER_POST_MAX, 1), (PER_POST_MAX + 1, 2)] {
        let keys: Vec<AlertKey> = (0..count).map(|it| key(&it.to_string(), Status::Critical)).collect();
        assert_eq!(Alerts::default().plan(at(0), firing(&keys), "dc1").len(), posts);
    }
}
