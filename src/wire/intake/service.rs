//! Service instances of the agent.

use crate::base::stdx::network::{self, AddressFamily};
use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::criticality::{self, Criticality};
use crate::core::model::validate::probes::Scripts;
use crate::core::model::validate::{bounds, checks, services};
use crate::core::model::{
    Check, Connect, ExistingChecks, Indexes, NodePart, Origin, Registration, Service, ServiceAddress, Status,
};
use crate::wire::body::check::CheckBody;
use crate::wire::body::service::ServiceBody;
use crate::wire::decode::from_bytes;
use crate::wire::intake::check::agent_check;
use crate::wire::intake::{AgentNode, Invalid, proxy, rules};

/// What an upstream of an agent's proxy is, unless it says otherwise.
const UPSTREAM_TYPE: &str = "service";

/// The body of `/v1/agent/service/register`; `existing` is what becomes of checks the instance has already.
///
/// # Errors
/// When the body cannot be read, or describes no instance or no check that muster can keep.
pub fn service_registration(
    body: &[u8],
    existing: ExistingChecks,
    agent: &AgentNode,
) -> Result<Registration, Invalid> {
    registration(from_bytes(body)?, existing, agent, Scripts::Remote)
}

/// The registration of one instance with its checks on the agent's node.
pub(super) fn registration(
    mut body: ServiceBody,
    existing: ExistingChecks,
    agent: &AgentNode,
    scripts: Scripts,
) -> Result<Registration, Invalid> {
    rules::check_datacenter(&body.datacenter, &agent.datacenter)?;
    if body.name.is_empty() {
        return Err(Invalid::rejected("Missing service name"));
    }
    if body.id.is_empty() {
        body.id = body.name.clone();
    }
    let given = checks_of(&mut body);
    let service = service(body)?;
    checks::check_count(given.len())?;
    Ok(Registration {
        node: NodePart::Existing { name: agent.name.clone() },
        checks: complete_checks(given, &service, scripts)?,
        service: Some(service),
        existing_checks: existing,
    })
}

/// The check given alone, unless nothing is in it, and then those given as a list.
fn checks_of(body: &mut ServiceBody) -> Vec<CheckBody> {
    let single = body.check.take().filter(|check| *check != CheckBody::default());
    single.into_iter().chain(std::mem::take(&mut body.checks)).collect()
}

fn complete_checks(
    checks: Vec<CheckBody>,
    service: &Service,
    scripts: Scripts,
) -> Result<Vec<Check>, Invalid> {
    let is_alone = checks.len() == 1;
    // Metadata is the users' own: a word that is none of ours means something else to them.
    let word = service.meta.as_ref().and_then(|meta| meta.get(criticality::META_KEY));
    let of_service = word.and_then(|word| Criticality::parse(word));
    let complete = checks.into_iter().enumerate().map(|(index, mut check)| {
        if !check.status.is_empty() && Status::parse(&check.status).is_none() {
            return Err(Invalid::rejected("Status for checks must 'passing', 'warning', 'critical'"));
        }
        if check.id.is_empty() {
            let suffix = if is_alone { String::new() } else { format!(":{}", index + 1) };
            check.id = format!("service:{}{suffix}", service.id).into();
        }
        if check.name.is_empty() {
            check.name = format!("Service '{}' check", service.name).into();
        }
        check.service_id = service.id.clone();
        agent_check(check, scripts, of_service)
    });
    complete.collect()
}

fn service(body: ServiceBody) -> Result<Service, Invalid> {
    if body.connect.sidecar_service.is_some() {
        return Err(Invalid::rejected(
            "Invalid SidecarService: sidecars are not registered along with their service; register the proxy as a \
             service of kind connect-proxy",
        ));
    }
    // Only what does not fit into the record is refused here; the record's own rules come last.
    let weights = rules::weights(body.weights)?;
    let port = bounds::port("service port", body.port)?;
    let by_role = body.tagged_addresses.iter().map(|(role, it)| (role.as_str(), it.address.as_str()));
    services::check_address_families(by_role)?;
    let tagged_addresses =
        with_own_address(rules::tagged_addresses(body.tagged_addresses)?, &body.address, port);
    rules::one_port(&body.ports)?;
    let service = Service {
        kind: body.kind,
        id: body.id,
        name: body.name,
        tags: body.tags,
        address: body.address,
        port,
        tagged_addresses,
        weights,
        meta: rules::meta(body.meta),
        enable_tag_override: body.enable_tag_override,
        proxy: proxy::proxy(body.proxy, UPSTREAM_TYPE)?,
        connect: Connect { native: body.connect.native },
        socket_path: body.socket_path,
        locality: rules::locality(body.locality),
        drain: None,
        origin: Origin::Agent,
        indexes: Indexes::default(),
    };
    services::check_new(&service)?;
    Ok(service)
}

/// An instance that listens on an IP address has it under the roles of its family too, unless others stand
/// there.
fn with_own_address(addresses: Pairs<ServiceAddress>, address: &Text, port: u16) -> Pairs<ServiceAddress> {
    let roles = match network::family(address) {
        Some(AddressFamily::V4) => ["lan_ipv4", "wan_ipv4"],
        Some(AddressFamily::V6) => ["lan_ipv6", "wan_ipv6"],
        None => return addresses,
    };
    let own = roles.map(|role| (role.into(), ServiceAddress { address: address.clone(), port }));
    own.into_iter().chain(addresses.iter().cloned()).collect()
}
