//! What is wanted and what is not, by every key of a webhook.

use std::time::Duration;

use super::*;
use crate::config::webhooks::{Hidden, WebhookFormat};
use crate::core::model::{Cause, Meta, Subject, Transition};
use crate::node::notify::context::Overall;

/// A webhook with the keys given as TOML, read as the configuration does.
fn selection(text: &str) -> Selection {
    let table: toml::Table = format!("name = 'h'\nurl = 'http://h'\n{text}").parse().unwrap();
    let origin = crate::config::problem::SettingSource::Default;
    let webhooks = crate::config::webhooks::read(&[(table, origin)], &[]).unwrap();
    Selection::new(&webhooks[0], &"dc1".into()).unwrap()
}

fn service() -> Arc<Service> {
    let meta = Some(Meta::from([("team".into(), "pay".into())]));
    let tags = vec!["Live".into(), "eu".into()];
    Arc::new(Service { id: "web-1".into(), name: "Web".into(), tags, meta, ..Service::default() })
}

fn check(id: &str, service_id: &str, status: Status) -> Arc<Check> {
    Arc::new(Check { id: id.into(), service_id: service_id.into(), status, ..Check::default() })
}

/// A check of an instance (or of the node) that went from one status to another.
fn happened(service_id: &str, from: Option<Status>, to: Option<Status>) -> TransitionContext {
    let node = Arc::new(Node { name: "N1".into(), ..Node::default() });
    let subject = Subject { node: "n1".into(), service_id: service_id.into(), check_id: "c".into() };
    let checks: Box<[Arc<Check>]> = to.map(|status| check("c", service_id, status)).into_iter().collect();
    let instance = Instance { node: node.clone(), service: service(), checks: checks.clone() };
    let is_of_node = service_id.is_empty();
    TransitionContext {
        transition: Arc::new(Transition {
            index: 1,
            position: 0,
            time_ms: 0,
            subject: Arc::new(subject),
            service_name: if is_of_node { "".into() } else { "Web".into() },
            check_name: "".into(),
            from,
            from_since_ms: 0,
            to,
            cause: Cause::Probe,
            is_first: false,
            caller: Default::default(),
            output: "".into(),
        }),
        node: Some(node),
        service: (!is_of_node).then(service),
        checks,
        is_gone: to.is_none(),
        overall: Overall::default(),
        on_node: if is_of_node { vec![instance] } else { Vec::new() },
    }
}

#[test]
fn every_key_narrows() {
    let (passing, warning, critical) = (Some(Status::Passing), Some(Status::Warning), Some(Status::Critical));
    let fails = || happened("web-1", passing, critical);
    let node_fails = || happened("", passing, critical);
    let rows = [
        ("", fails(), true),
        ("", node_fails(), true),
        ("services = ['web']", fails(), true),
        ("services = ['WEB', 'db']", node_fails(), true),
        ("services = ['db']", fails(), false),
        ("services = ['db']", node_fails(), false),
        ("nodes = ['n1']", fails(), true),
        ("nodes = ['N2']", fails(), false),
        ("nodes = ['N2']", node_fails(), false),
        ("tags = ['live', 'EU']", fails(), true),
        ("tags = ['live', 'us']", fails(), false),
        ("tags = ['us']", node_fails(), false),
        ("statuses = ['critical']", fails(), true),
        ("statuses = ['critical']", happened("web-1", critical, passing), true),
        ("statuses = ['critical']", happened("web-1", critical, None), true),
        ("statuses = ['critical']", happened("web-1", passing, warning), false),
        ("statuses = ['warning']", fails(), false),
        ("filter = 'Service.Meta.team == pay'", fails(), true),
        ("filter = 'Service.Meta.team == ops'", fails(), false),
        ("filter = 'Service.Meta.team == ops'", node_fails(), false),
        ("filter = 'Checks.Status == critical'", fails(), true),
        ("filter = 'Checks.Status == critical'", happened("web-1", critical, passing), true),
        ("filter = 'Checks.Status == critical'", happened("web-1", warning, passing), false),
        ("filter = 'Node.Node == N1'", fails(), true),
    ];
    for (text, happened, expected) in rows {
        assert_eq!(selection(text).wants(&happened), expected, "{text}: {:?}", happened.transition);
    }
}

#[test]
fn what_nobody_can_look_at_any_more_is_told_rather_than_kept_back() {
    let gone = TransitionContext { service: None, ..happened("web-1", Some(Status::Critical), None) };
    for (text, expected) in [("tags = ['us']", true), ("services = ['db']", false), ("nodes = ['n2']", false)]
    {
        assert_eq!(selection(text).wants(&gone), expected, "{text}");
    }
}

#[test]
fn instances_are_wanted_whatever_their_status() {
    let node = Arc::new(Node { name: "N1".into(), ..Node::default() });
    let instance = Instance { node, service: service(), checks: Box::default() };
    let webhook = |services: &[&str]| Webhook {
        name: "h".to_owned(),
        url: Hidden::default(),
        format: WebhookFormat::Alertmanager,
        filter: None,
        services: services.iter().map(|it| (*it).to_owned()).collect(),
        nodes: Vec::new(),
        tags: Vec::new(),
        statuses: vec![Status::Critical],
        secret: None,
        headers: Vec::new(),
        timeout: Duration::from_secs(1),
        queue_max: 100,
        give_up_after: Duration::from_secs(60),
        tls_skip_verify: false,
        tls_server_name: String::new(),
    };
    for (services, expected) in [(&[][..], true), (&["web"][..], true), (&["db"][..], false)] {
        let selection = Selection::new(&webhook(services), &"dc1".into()).unwrap();
        assert_eq!(selection.wants_instance(&instance), expected, "{services:?}");
    }
}
