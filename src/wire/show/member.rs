//! A member of the cluster as `/v1/agent/members` lists it, and `/v1/agent/self` shows the agent.

use serde::Serialize;

use crate::core::model::Meta;

/// One agent, alive. The protocol versions are those Consul 1.8.7 speaks: clients print them, nobody acts on
/// them.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Member<'a> {
    pub(in crate::wire) name: &'a str,
    pub(in crate::wire) addr: &'a str,
    pub(in crate::wire) port: u16,
    pub(in crate::wire) tags: &'a Meta,
    pub(in crate::wire) status: u8,
    pub(in crate::wire) protocol_min: u8,
    pub(in crate::wire) protocol_max: u8,
    pub(in crate::wire) protocol_cur: u8,
    pub(in crate::wire) delegate_min: u8,
    pub(in crate::wire) delegate_max: u8,
    pub(in crate::wire) delegate_cur: u8,
}

impl<'a> Member<'a> {
    /// The agent of that name, at that address.
    pub fn new(name: &'a str, addr: &'a str, port: u16, tags: &'a Meta) -> Self {
        Member {
            name,
            addr,
            port,
            tags,
            status: 1,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }
}
