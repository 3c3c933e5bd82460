//! The node's own settings: its id and its metadata.

use serde_json::json;

use crate::support::process::Process;

const ID: &str = "40e4a748-2192-161a-0510-9bf59fe950b5";

#[test]
fn id_and_metadata_are_the_operators() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data_dir = directory.path().join("data");
    let given =
        ["--node-id", &ID.to_uppercase(), "-node-meta", "zone:eu-1,b", "-node-meta", "url=http://h:1"];
    let process = Process::muster_on(&data_dir, &given).expect("muster starts");
    let mut client = process.client();
    let meta = json!({"zone": "eu-1,b", "url": "http://h:1", "consul-network-segment": ""});
    let nodes = client.get("/v1/catalog/nodes").expect("an answer").json();
    assert_eq!((&nodes[0]["ID"], &nodes[0]["Meta"]), (&json!(ID), &meta));
    let own = client.get("/v1/agent/self").expect("an answer").json();
    assert_eq!((&own["Config"]["NodeID"], &own["Meta"]), (&json!(ID), &meta));
    let found = client.get("/v1/catalog/nodes?node-meta=zone:eu-1,b").expect("an answer").json();
    assert_eq!(found.as_array().map(Vec::len), Some(1));

    // Without them the node is again who it was before.
    drop(process);
    let process = Process::muster_on(&data_dir, &[]).expect("muster starts");
    let nodes = process.client().get("/v1/catalog/nodes").expect("an answer").json();
    assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{nodes}");
    assert_ne!(nodes[0]["ID"], ID);
    assert_eq!(nodes[0]["Meta"], json!({"consul-network-segment": ""}));
}
