//! consulrs, unchanged: it registers with the agent, and watches the catalog.
//!
//! It knows no `/v1/health`, so its watch sees the service come and go, and no status.
//! See `tests/clients/README.md` for what each phase does and prints.

use consulrs::api::Features;
use consulrs::api::catalog::requests::ListNodesForServiceRequest;
use consulrs::api::check::common::AgentServiceCheckBuilder;
use consulrs::api::features::Blocking;
use consulrs::api::service::requests::RegisterServiceRequest;
use consulrs::client::{ConsulClient, ConsulClientSettingsBuilder};
use consulrs::error::ClientError;
use consulrs::{catalog, check, service};
use muster_clients::{RETRY, TTL, WAIT, WATCH_WAIT, answer, expect, fail, phase, report, sees, stdin_closed};
use std::collections::HashMap;
use std::time::Duration;

const NAME: &str = "clients-consulrs";
const INSTANCE: &str = "clients-consulrs-1";
const CHECK: &str = "service:clients-consulrs-1";

#[tokio::main]
async fn main() {
    let settings = answer("settings", ConsulClientSettingsBuilder::default().build());
    let client = Client(answer("client", ConsulClient::new(settings)));
    match phase().as_str() {
        "register" => client.register().await,
        "verify" => client.verify().await,
        "critical" => client.critical().await,
        "passing" => client.passing().await,
        "deregister" => client.deregister().await,
        "all" => client.everything().await,
        "watch" => tokio::select! {
            () = client.watch() => {}
            () = stdin_closed() => {}
        },
        other => fail("phase", &other),
    }
}

struct Client(ConsulClient);

impl Client {
    async fn register(&self) {
        let check = answer("check", AgentServiceCheckBuilder::default().ttl(TTL).build());
        let mut request = RegisterServiceRequest::builder();
        request
            .id(INSTANCE)
            .port(8080u64)
            .tags(vec!["blue".to_string(), "v1".to_string()])
            .meta(HashMap::from([("client".to_string(), "consulrs".to_string())]))
            .check(check);
        answer("agent/service/register", service::register(&self.0, NAME, Some(&mut request)).await);
        expect("a TTL check starts critical", self.health().await == "critical", self.health().await);
        self.passing().await;
        self.verify().await;
    }

    async fn verify(&self) {
        let services = answer("agent/services", service::list(&self.0, None).await).response;
        let Some(found) = services.get(INSTANCE) else { fail("agent/services shows it", &services) };
        let tags = found.tags.clone().unwrap_or_default();
        expect("agent/services shows its tags", tags == ["blue", "v1"], found);
        let read = answer("agent/service", service::read(&self.0, INSTANCE, None).await);
        expect("agent/service reads it", read.response.service.as_deref() == Some(NAME), &read.response);
        expect("agent/service has a content hash", read.content_hash.is_some(), &read.content_hash);
        let checks = answer("agent/checks", check::list(&self.0, None).await).response;
        let status = checks.get(CHECK).and_then(|check| check.status.as_deref());
        expect("agent/checks shows its check passing", status == Some("passing"), &checks);
        let services = answer("catalog/services", catalog::services(&self.0, None).await);
        expect("catalog/services lists it", services.response.contains_key(NAME), &services.response);
        expect(
            "catalog/services knows a leader",
            services.known_leader.as_deref() == Some("true"),
            &services,
        );
        let nodes = answer("catalog/nodes", catalog::nodes(&self.0, None).await).response;
        expect("catalog/nodes lists a node", !nodes.is_empty(), &nodes);
        let (instances, index) = answer("catalog/service", self.instances(None).await);
        expect("catalog/service has its one instance", instances == [INSTANCE], &instances);
        expect("catalog/service has an index", index > 0, index);
    }

    async fn critical(&self) {
        answer("agent/check/fail", check::fail(&self.0, CHECK, None).await);
        expect("agent/health answers critical", self.health().await == "critical", self.health().await);
    }

    async fn passing(&self) {
        answer("agent/check/pass", check::pass(&self.0, CHECK, None).await);
        expect("agent/health answers passing", self.health().await == "passing", self.health().await);
    }

    async fn deregister(&self) {
        answer("agent/service/deregister", service::deregister(&self.0, INSTANCE, None).await);
        expect("it is gone from agent/health", self.health().await == "absent", self.health().await);
        let (instances, _) = answer("catalog/service", self.instances(None).await);
        expect("it is gone from catalog/service", instances.is_empty(), &instances);
        let services = answer("catalog/services", catalog::services(&self.0, None).await).response;
        expect("it is gone from catalog/services", !services.contains_key(NAME), &services);
        let checks = answer("agent/checks", check::list(&self.0, None).await).response;
        expect("its check is gone", !checks.contains_key(CHECK), &checks);
    }

    async fn everything(&self) {
        sees(self.changed(WAIT).await, self.register(), "present").await;
        self.critical().await;
        self.passing().await;
        sees(self.changed(WAIT).await, self.deregister(), "absent").await;
    }

    /// Follows the service by blocking queries over any outage, one line a change.
    async fn watch(&self) {
        let (mut index, mut seen) = (None, None);
        loop {
            match self.instances(index.map(|index| blocking(index, WATCH_WAIT))).await {
                Ok((instances, newer)) => {
                    index = Some(newer);
                    report(presence(&instances), &mut seen);
                }
                Err(error) => {
                    eprintln!("away: {error}");
                    index = None;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// A query that answers with the state once the service's index has passed the present one.
    async fn changed(&self, wait: Duration) -> impl Future<Output = String> {
        let (_, index) = answer("catalog/service", self.instances(None).await);
        async move { presence(&answer("catalog/service", self.instances(Some(blocking(index, wait))).await).0) }
    }

    /// The ids of the service's instances, and the index of the answer.
    async fn instances(&self, blocking: Option<Blocking>) -> Result<(Vec<String>, u64), ClientError> {
        let mut request = ListNodesForServiceRequest::builder();
        if let Some(blocking) = blocking {
            request.features(answer("features", Features::builder().blocking(blocking).build()));
        }
        let found = catalog::nodes_with_service(&self.0, NAME, Some(&mut request)).await?;
        let index = found.index.as_deref().and_then(|index| index.parse().ok());
        let Some(index) = index else { fail("catalog/service has an index", &found.index) };
        Ok((found.response.into_iter().filter_map(|instance| instance.service_id).collect(), index))
    }

    /// Passing, warning, critical or absent, by the status code of the agent's health endpoint.
    async fn health(&self) -> &'static str {
        match service::health(&self.0, NAME, None).await {
            Ok(_) => "passing",
            Err(ClientError::APIError { code: 429, .. }) => "warning",
            Err(ClientError::APIError { code: 503, .. }) => "critical",
            Err(ClientError::APIError { code: 404, .. }) => "absent",
            Err(error) => fail("agent/health/service/name", &error),
        }
    }
}

fn presence(instances: &[String]) -> String {
    if instances.is_empty() { "absent".to_string() } else { "present".to_string() }
}

fn blocking(index: u64, wait: Duration) -> Blocking {
    Blocking { index, wait: Some(format!("{}s", wait.as_secs())) }
}
