//! rs-consul, unchanged: it registers in the catalog on a node of its own, and finds instances by their health.
//!
//! See `tests/clients/README.md` for what each phase does and prints.

use muster_clients::{RETRY, WAIT, WATCH_WAIT, answer, expect, fail, phase, report, sees, stdin_closed};
use rs_consul::{
    Config, Consul, DeregisterEntityPayload, GetNodesRequest, GetServiceNodesRequest, QueryOptions,
    RegisterEntityCheck, RegisterEntityPayload, RegisterEntityService, ResponseMeta, ServiceNode,
};
use std::time::Duration;

const NODE: &str = "clients-rs-consul-node";
const NAME: &str = "clients-rs-consul";
const INSTANCE: &str = "clients-rs-consul-1";
const CHECK: &str = "clients-rs-consul-check";

#[tokio::main]
async fn main() {
    let client = Client(Consul::new(Config::from_env()));
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

struct Client(Consul);

impl Client {
    async fn register(&self) {
        self.put("passing").await;
        expect("the registered service passes", self.state().await == "passing", self.state().await);
        self.verify().await;
    }

    async fn verify(&self) {
        let names = self.0.get_all_registered_service_names(None).await;
        let names = answer("catalog/services", names).response;
        expect("catalog/services lists it", names.iter().any(|name| name == NAME), names);
        let nodes = self.0.get_nodes(GetNodesRequest::default(), None).await;
        let nodes = answer("catalog/nodes", nodes).response;
        expect("catalog/nodes lists its node", nodes.iter().any(|node| node.node == NODE), nodes);
        let found = answer("addresses", self.0.get_service_addresses_and_ports(NAME, None).await);
        expect("its address and port are found", found == [("127.0.0.1".to_string(), 8080)], found);
        let ResponseMeta { response, index } = self.instances(true, QueryOptions::default()).await;
        let [ServiceNode { node, service }] = response.as_slice() else {
            fail("health/service?passing has one instance", &response)
        };
        expect("health/service names its node", node.node == NODE && node.datacenter == "dc1", node);
        let (id, tags) = (&service.id, &service.tags);
        expect("health/service names it with its tags", id == INSTANCE && *tags == ["blue", "v1"], service);
        expect("health/service has an index", index > 0, index);
    }

    async fn critical(&self) {
        self.put("critical").await;
        expect("?passing leaves it out", self.state().await == "critical", self.state().await);
    }

    async fn passing(&self) {
        self.put("passing").await;
        expect("?passing shows it", self.state().await == "passing", self.state().await);
    }

    async fn deregister(&self) {
        let payload = DeregisterEntityPayload::builder().Node(NODE.to_string()).build();
        answer("catalog/deregister", self.0.deregister_entity(&payload).await);
        expect("it is gone from health/service", self.state().await == "absent", self.state().await);
        let names = answer("catalog/services", self.0.get_all_registered_service_names(None).await).response;
        expect("it is gone from catalog/services", !names.iter().any(|name| name == NAME), names);
        let nodes =
            answer("catalog/nodes", self.0.get_nodes(GetNodesRequest::default(), None).await).response;
        expect("its node is gone", !nodes.iter().any(|node| node.node == NODE), nodes);
    }

    async fn everything(&self) {
        sees(self.changed(WAIT).await, self.register(), "passing").await;
        sees(self.changed(WAIT).await, self.critical(), "critical").await;
        sees(self.changed(WAIT).await, self.passing(), "passing").await;
        sees(self.changed(WAIT).await, self.deregister(), "absent").await;
    }

    /// Follows the service by blocking queries over any outage, one line a change.
    async fn watch(&self) {
        let (mut index, mut seen) = (None, None);
        loop {
            match self.0.get_service_nodes(request(false), Some(blocking(index, WATCH_WAIT))).await {
                Ok(answered) => {
                    index = Some(answered.index);
                    report(self.state().await, &mut seen);
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
        let index = self.instances(false, QueryOptions::default()).await.index;
        async move {
            self.instances(false, blocking(Some(index), wait)).await;
            self.state().await
        }
    }

    /// Registers node, service and check in one call; a catalog check has the status it is registered with.
    async fn put(&self, status: &str) {
        let service = RegisterEntityService::builder()
            .ID(INSTANCE.to_string())
            .Service(NAME.to_string())
            .Tags(vec!["blue".to_string(), "v1".to_string()])
            .Port(8080)
            .build();
        let check = RegisterEntityCheck::builder()
            .Node(NODE.to_string())
            .CheckID(CHECK.to_string())
            .Name("own word".to_string())
            .Status(status.to_string())
            .ServiceID(INSTANCE.to_string())
            .build();
        let payload = RegisterEntityPayload::builder()
            .Node(NODE.to_string())
            .Address("127.0.0.1".to_string())
            .Service(service)
            .Checks(vec![check])
            .build();
        answer("catalog/register", self.0.register_entity(&payload).await);
    }

    /// Absent, critical or passing: the client shows no checks, so what `?passing` leaves out is critical.
    async fn state(&self) -> String {
        let known = !self.instances(false, QueryOptions::default()).await.response.is_empty();
        let passing = !self.instances(true, QueryOptions::default()).await.response.is_empty();
        let state = match (known, passing) {
            (_, true) => "passing",
            (true, false) => "critical",
            (false, false) => "absent",
        };
        state.to_string()
    }

    async fn instances(&self, passing: bool, options: QueryOptions) -> ResponseMeta<Vec<ServiceNode>> {
        answer("health/service", self.0.get_service_nodes(request(passing), Some(options)).await)
    }
}

fn request(passing: bool) -> GetServiceNodesRequest<'static> {
    GetServiceNodesRequest { service: NAME, passing, ..GetServiceNodesRequest::default() }
}

fn blocking(index: Option<u64>, wait: Duration) -> QueryOptions {
    // The server adds up to a sixteenth to the wait.
    QueryOptions { index, wait: Some(wait), timeout: Some(wait * 2), ..QueryOptions::default() }
}
