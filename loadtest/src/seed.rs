//! Fills a catalog with what a scenario needs before it starts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::scenario::{Keys, Scenario, Services};

/// Connections that register at once: enough for a server to commit several together.
const CLIENTS: usize = 16;

/// How long the catalog may take to show what its agent has taken. Consul's agent syncs in the background.
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long the catalog may show as many instances as before, while others of them fail or there are more than wanted,
/// until that is taken for what was registered earlier.
const STALLED_MAX: Duration = Duration::from_secs(5);

/// Instances of one service at most in the answer that is waited for; below it every instance is.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Registers and writes everything that a scenario needs at `address`.
///
/// # Errors
/// See [`fill`]; and a key is not written.
pub fn fill_for(address: SocketAddr, scenario: &Scenario) -> Result<(), String> {
    fill(address, &scenario.services)?;
    let Some(Keys { prefix, count, bytes }) = &scenario.keys else { return Ok(()) };
    let (mut client, value) = (Client::new(address), "x".repeat(*bytes));
    for number in 0..*count {
        let path = format!("/v1/kv/{prefix}/{number}");
        let answer = client.put(&path, &value).map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{path} is not written: {}", answer.status));
        }
    }
    Ok(())
}

/// Registers everything with the agent at `address`, and waits until the catalog shows it.
///
/// # Errors
/// A registration is refused, or the catalog does not show all in time.
pub fn fill(address: SocketAddr, services: &[Services]) -> Result<(), String> {
    for services in services {
        let names = names(services);
        let next = AtomicUsize::new(0);
        let total = names.len() * services.instances;
        let register = || -> Result<(), String> {
            let mut client = Client::new(address);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return Ok(());
                }
                let (name, instance) = (&names[number / services.instances], number % services.instances);
                let body = registration(name, instance, services.checks, "0");
                let answer =
                    client.put("/v1/agent/service/register", &body).map_err(|error| error.to_string())?;
                if answer.status != 200 {
                    let said = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(format!("{name}-{instance} is not registered: {} {said}", answer.status));
                }
            }
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(register)).collect();
            running.into_iter().try_for_each(|it| it.join().expect("registering does not panic"))
        })?;
        // Registrations are shown in the order they were taken in, more or less: the last service stands for all.
        if let Some(name) = names.last() {
            wait_until_shown(address, name, services.instances)?;
        }
    }
    Ok(())
}

/// The names of services that are alike.
pub fn names(services: &Services) -> Vec<String> {
    match services.count {
        None => vec![services.name.clone()],
        Some(count) => (0..count).map(|number| format!("{}-{number}", services.name)).collect(),
    }
}

/// The registration of an instance, in which `change` is a word that says which of its lives this is.
pub fn registration(name: &str, instance: usize, checks: usize, change: &str) -> String {
    let checks: Vec<_> = (0..checks)
        .map(|check| {
            json!({
                "CheckID": format!("{name}-{instance}-c{check}"), "Name": "heartbeat", "TTL": "24h",
                "Status": "passing", "Notes": "The program itself says that it lives.",
            })
        })
        .collect();
    let address = format!("10.{}.{}.{}", instance >> 16 & 255, instance >> 8 & 255, instance & 255);
    json!({
        "ID": format!("{name}-{instance}"), "Name": name, "Address": address, "Port": 8080,
        "Tags": ["v1", "primary"], "Meta": {"version": "1.2.3", "zone": "a", "change": change}, "Checks": checks,
    })
    .to_string()
}

fn wait_until_shown(address: SocketAddr, name: &str, instances: usize) -> Result<(), String> {
    let mut client = Client::new(address);
    let deadline = Instant::now() + SHOWN_WAIT_MAX;
    let (mut shown, mut changed) = (0, Instant::now());
    while Instant::now() < deadline {
        let path = format!("/v1/health/service/{name}?passing");
        if let Ok(answer) = client.get(&path, "") {
            let elements: Result<Vec<serde::de::IgnoredAny>, _> = serde_json::from_slice(&answer.body);
            let before = shown;
            shown = elements.map_or(0, |it| it.len());
            if shown == instances {
                return Ok(());
            }
            if shown != before {
                changed = Instant::now();
            }
            if changed.elapsed() >= STALLED_MAX {
                changed = Instant::now();
                let all = client.get(&format!("/v1/health/service/{name}"), "");
                let all: Option<Vec<serde_json::Value>> =
                    all.ok().and_then(|it| serde_json::from_slice(&it.body).ok());
                if let Some(found) = in_the_way(&all.unwrap_or_default(), shown, instances) {
                    return Err(format!(
                        "service {name} has {shown} instances that pass, and {instances} are wanted: {found}. It was \
                         registered before this run: deregister it (PUT /v1/agent/service/deregister/ID), or name an \
                         empty registry with --http-addr (`muster agent -dev --http-addr 127.0.0.1:8599` is one)"
                    ));
                }
            }
        }
        std::thread::sleep(POLL_EVERY);
    }
    Err(format!("the catalog shows {shown} of {instances} instances of {name} after {SHOWN_WAIT_MAX:?}"))
}

/// What keeps a service from having just the instances wanted, by its whole health answer: a check that fails, or
/// instances that are too many.
fn in_the_way(all: &[serde_json::Value], shown: usize, wanted: usize) -> Option<String> {
    let failing = all.iter().find_map(|entry| {
        let checks = entry["Checks"].as_array()?;
        let check = checks.iter().find(|check| check["Status"] != "passing")?;
        Some(format!(
            "check {} of instance {} is {}",
            check["CheckID"], entry["Service"]["ID"], check["Status"]
        ))
    });
    let too_many = all.last().filter(|_| shown > wanted);
    let too_many =
        too_many.map(|entry| format!("instance {} is there besides, for one", entry["Service"]["ID"]));
    if shown < wanted { failing } else { too_many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named() {
        let entry = |id: &str, status: &str| {
            json!({"Service": {"ID": id}, "Checks": [
                {"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": format!("service:{id}"), "Status": status},
            ]})
        };
        let both = [entry("web-0", "passing"), entry("web-1", "critical")];
        let said = in_the_way(&both, 1, 2).expect("one fails");
        assert_eq!(said, "check \"service:web-1\" of instance \"web-1\" is \"critical\"");
        let said =
            in_the_way(&[entry("web-0", "passing"), entry("old", "passing")], 2, 1).expect("one too many");
        assert_eq!(said, "instance \"old\" is there besides, for one");
        // They may only not be shown yet.
        assert_eq!(in_the_way(&both[..1], 1, 2), None);
    }
}
