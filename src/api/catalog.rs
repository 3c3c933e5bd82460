//! The catalog: what is registered, whatever its health.
//!
//! <https://developer.hashicorp.com/consul/api-docs/catalog>

use crate::api::answer::{self, CacheHeaders, Read, Rendered, indexed, indexed_variant, list_of, yes};
use crate::api::call::{Call, Outcome};
use crate::api::delta;
use crate::api::difference::Viewpoint;
use crate::api::error::ApiError;
use crate::api::selection::{self, has_meta, has_tags, near_first, passes};
use crate::catalog::instance::Instance;
use crate::catalog::panic::Panic;
use crate::catalog::service_log::Aspect;
use crate::catalog::topic::Topic;
use std::sync::Arc;

use crate::model::{Command, NodePart, Service};
use crate::stdx::text::Text;
use crate::wire::intake::{catalog_deregistration, catalog_registration};
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::{CatalogNode, CatalogService, NodeService, NodeServicesList, NodeServicesMap};

/// `PUT /v1/catalog/register`
pub fn register(call: &mut Call<'_, '_>) -> Outcome {
    let registry = &call.api.registry;
    let registration = catalog_registration(call.request().body(), &registry.own_node().datacenter)?;
    if let NodePart::Set { name, address, keep_existing: true, .. } = &registration.node
        && address.is_empty()
        && registry.views().node(&name.folded(), |_| ()).is_none()
    {
        return Err(ApiError::bad_request("Must provide address if SkipNodeUpdate is not set"));
    }
    let counters = &call.api.counters;
    let counter = match (&registration.service, registration.checks.is_empty()) {
        (Some(_), _) => &counters.registrations_service,
        (None, false) => &counters.registrations_check,
        (None, true) => &counters.registrations_node,
    };
    registry.write(Command::Register(Box::new(registration)))?;
    counter.inc();
    yes(call)
}

/// `PUT /v1/catalog/deregister`
pub fn deregister(call: &mut Call<'_, '_>) -> Outcome {
    let registry = &call.api.registry;
    let command = catalog_deregistration(call.request().body(), &registry.own_node().datacenter)?;
    let counters = &call.api.counters;
    let counter = match &command {
        Command::DeregisterService { .. } => &counters.deregistrations_service,
        Command::DeregisterCheck { .. } => &counters.deregistrations_check,
        _ => &counters.deregistrations_node,
    };
    registry.write(command)?;
    counter.inc();
    yes(call)
}

/// `GET /v1/catalog/datacenters`
pub fn datacenters(call: &mut Call<'_, '_>) -> Outcome {
    answer::json(call, &[&call.api.registry.own_node().datacenter])
}

/// `GET /v1/catalog/nodes`
pub fn nodes(call: &mut Call<'_, '_>) -> Outcome {
    let params = call.read_params()?;
    let filter = selection::indexed_filter(&params, &select::NODE)?;
    let registry = &*call.api.registry;
    let read = Read { topic: Topic::Nodes, params: params.clone(), cache_headers: CacheHeaders::Hidden };
    indexed(call, read, || {
        let mut nodes = registry.views().nodes();
        nodes.retain(|node| has_meta(node.meta.as_ref(), &params.node_meta));
        near_first(&mut nodes, &params, registry.own_node(), |node| node);
        let shown = nodes.iter().map(|node| CatalogNode::new(node, &registry.own_node().datacenter));
        let wanted = shown.filter(|node| passes(filter.as_ref(), node));
        Ok(json::list_to_vec(wanted, params.pretty))
    })
}

/// `GET /v1/catalog/services`: every service name with the union of its instances' tags.
pub fn services(call: &mut Call<'_, '_>) -> Outcome {
    let params = call.read_params()?;
    let registry = &*call.api.registry;
    let read = Read { topic: Topic::Services, params: params.clone(), cache_headers: CacheHeaders::Shown };
    indexed(call, read, || {
        let services = registry.views().services(|entry| {
            if params.node_meta.is_empty() {
                return Some(entry.tags().cloned().collect::<Vec<Text>>());
            }
            let wanted = |meta| has_meta(meta, &params.node_meta);
            let mut instances =
                entry.instances().filter(|instance| wanted(instance.node.meta.as_ref())).peekable();
            instances.peek()?;
            let mut tags: Vec<Text> = instances.flat_map(|instance| instance.service.tags.clone()).collect();
            tags.sort_unstable();
            tags.dedup();
            Some(tags)
        });
        Ok(json::map_to_vec(services.iter().map(|(name, tags)| (name.as_str(), tags)), params.pretty))
    })
}

/// `GET /v1/catalog/service/:service`
pub fn service(call: &mut Call<'_, '_>) -> Outcome {
    let params = call.read_params()?;
    let name = call.required("Missing service name")?.folded();
    let filter = selection::indexed_filter(&params, &select::CATALOG_SERVICE)?;
    let tags: Vec<String> = call.query()?.all("tag").map(str::to_lowercase).collect();
    let wanted = |instance: &Instance| {
        has_tags(instance, &tags) && has_meta(instance.node.meta.as_ref(), &params.node_meta)
    };
    if delta::is_asked(call.query()?)? {
        let registry = call.api.registry.clone();
        let wants = |instance: &Instance, _: Option<&Panic>| {
            let datacenter = &registry.own_node().datacenter;
            let shown = || CatalogService::new(&instance.node, &instance.service, datacenter);
            wanted(instance) && passes(filter.as_ref(), &shown())
        };
        let aspect = Aspect::Catalog;
        return delta::answer(
            call,
            &Viewpoint { name: &name, aspect, threshold: None, wants: &wants },
            &params,
        );
    }
    let registry = &*call.api.registry;
    let topic = Topic::Service(name.clone());
    let read = Read { topic, params: params.clone(), cache_headers: CacheHeaders::Shown };
    indexed_variant(call, read, "", |before| {
        let (mut instances, index) = registry.views().dated_instances(&name, Aspect::Catalog);
        instances.retain(|instance| wanted(instance));
        near_first(&mut instances, &params, registry.own_node(), |instance| &instance.node);
        let datacenter = &registry.own_node().datacenter;
        let list = list_of(
            &instances,
            params.pretty,
            before,
            |found| CatalogService::new(&found.node, &found.service, datacenter),
            |service| passes(filter.as_ref(), service),
        );
        Ok(Rendered { index, ..list })
    })
}

/// `GET /v1/catalog/node/:node`, by name or UUID.
pub fn node(call: &mut Call<'_, '_>) -> Outcome {
    node_with_services(call, NodeShape::Map)
}

/// `GET /v1/catalog/node-services/:node`, by name or UUID.
pub fn node_services(call: &mut Call<'_, '_>) -> Outcome {
    node_with_services(call, NodeShape::List)
}

/// How the instances of a node are listed.
#[derive(Clone, Copy)]
enum NodeShape {
    /// By id.
    Map,
    /// In order.
    List,
}

fn node_with_services(call: &mut Call<'_, '_>, shape: NodeShape) -> Outcome {
    let params = call.read_params()?;
    let name = call.required("Missing node name")?.folded();
    let filter = selection::indexed_filter(&params, &select::SERVICE)?;
    let registry = &*call.api.registry;
    let key = registry.views().node_by_name_or_id(&name, |record| record.node().name.folded());
    let topic = Topic::Node(key.unwrap_or_else(|| name.clone()));
    let read = Read { topic, params: params.clone(), cache_headers: CacheHeaders::Hidden };
    indexed(call, read, || {
        let found = registry.views().node_by_name_or_id(&name, |record| {
            let services: Vec<Arc<Service>> = record.services().values().cloned().collect();
            (record.node().clone(), services)
        });
        let datacenter = &registry.own_node().datacenter;
        let Some((node, services)) = &found else {
            return Ok(match shape {
                NodeShape::Map => json::to_vec(&(), params.pretty),
                NodeShape::List => json::to_vec(&NodeServicesList::unknown(), params.pretty),
            });
        };
        let wanted = |service: &&Service| passes(filter.as_ref(), &NodeService::new(service));
        let services = services.iter().map(|service| &**service).filter(wanted);
        Ok(match shape {
            NodeShape::Map => json::to_vec(&NodeServicesMap::new(node, services, datacenter), params.pretty),
            NodeShape::List => json::to_vec(
                &NodeServicesList::new(node, services, datacenter, filter.is_some()),
                params.pretty,
            ),
        })
    })
}
