//! The catalog: what is registered, whatever its health.
//!
//! <https://developer.hashicorp.com/consul/api-docs/catalog>

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::service_table::ServiceEntry;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::near::near_first;
use crate::core::discovery::query::{has_meta, passes};
use crate::core::filter::decision::Filter;
use crate::core::model::{Command, NodeKey, Service, ServiceKey};
use crate::surface::answers::answer::{
    self, Headers, IndexedRead, Rendered, indexed, indexed_variant, list_of, yes,
};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::metered_views::MeteredViews;
use crate::surface::context::params::ReadParams;
use crate::surface::context::sight::{Sight, VisibleNode};
use crate::surface::delta;
use crate::surface::{selection, service_query};
use crate::wire::intake::{catalog_deregistration, catalog_registration};
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::{CatalogNode, CatalogService, NodeService, NodeServicesList, NodeServicesMap};

/// `PUT /v1/catalog/register`
pub fn register(call: &mut Call<'_, '_>) -> HandlerResult {
    let registry = &call.api.registry;
    let registration = catalog_registration(call.body()?, &registry.own_node().datacenter)?;
    let counters = &call.api.counters;
    let counter = match (&registration.service, registration.checks.is_empty()) {
        (Some(_), _) => &counters.registrations_service,
        (None, false) => &counters.registrations_check,
        (None, true) => &counters.registrations_node,
    };
    call.write(Command::Register(Box::new(registration)))?;
    counter.inc();
    yes(call)
}

/// `PUT /v1/catalog/deregister`
pub fn deregister(call: &mut Call<'_, '_>) -> HandlerResult {
    let registry = &call.api.registry;
    let command = catalog_deregistration(call.body()?, &registry.own_node().datacenter)?;
    let counters = &call.api.counters;
    let counter = match &command {
        Command::DeregisterService { .. } => &counters.deregistrations_service,
        Command::DeregisterCheck { .. } => &counters.deregistrations_check,
        _ => &counters.deregistrations_node,
    };
    call.write(command)?;
    counter.inc();
    yes(call)
}

/// `GET /v1/catalog/datacenters`
pub fn datacenters(call: &mut Call<'_, '_>) -> HandlerResult {
    answer::json(call, &[&call.api.registry.own_node().datacenter])
}

/// Tags of one service that are copied for one unit.
const TAGS_OF_UNIT: usize = 16;

/// `GET /v1/catalog/nodes`
pub fn nodes(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let filter = selection::indexed_filter(call, &params, &select::NODE)?;
    let (registry, views, meter) = (&*call.api.registry, call.views(), call.meter);
    let read = IndexedRead { topic: Topic::Nodes, params: params.clone(), headers: Headers::WithoutCache };
    indexed(call, read, || {
        let mut nodes = views.nodes();
        nodes.retain(|node| has_meta(node.meta.as_ref(), &params.node_meta, meter));
        near_first(&mut nodes, params.near_node(registry.own_node()).as_ref(), |node| node);
        let affordable = nodes.iter().take_while(|_| !meter.is_exhausted());
        let shown = affordable.map(|node| CatalogNode::new(node, &registry.own_node().datacenter));
        let wanted = shown.filter(|node| passes(filter.as_deref(), node, meter));
        Ok(json::list_within(meter, wanted, params.pretty))
    })
}

/// `GET /v1/catalog/services`: every service name with the union of its instances' tags. Of instances that neither the
/// filter nor the node's metadata leave out, where either is given.
pub fn services(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let filter = selection::indexed_filter(call, &params, &select::CATALOG_SERVICE)?;
    let (views, meter, sight) = (call.views(), call.meter, call.sight());
    let datacenter = &call.api.registry.own_node().datacenter;
    // A filter may ask for what the list of names and tags does not show, a port or a pair of metadata.
    let topic = if filter.is_some() { Topic::Instances } else { Topic::Services };
    let read = IndexedRead { topic, params: params.clone(), headers: Headers::WithCache };
    indexed(call, read, || {
        let services = match (filter.as_deref(), params.node_meta.is_empty()) {
            (None, true) => {
                // Most services have a handful of tags; one that has very many pays for them as they come.
                let is_paid = |at: usize| !(at + 1).is_multiple_of(TAGS_OF_UNIT) || meter.spend(1);
                let tags = |entry: &ServiceEntry| {
                    let paid = entry.tags().enumerate().take_while(|(at, _)| is_paid(*at));
                    paid.map(|(_, tag)| tag.clone()).collect()
                };
                views.services(|entry| Some(tags(entry)))
            }
            (filter, _) => services_of((views, sight), datacenter, &params, filter),
        };
        let shown = services.iter().map(|(name, tags)| (name.as_str(), tags));
        Ok(json::map_within(meter, shown, params.pretty))
    })
}

/// The names of the services that have an instance which is seen and wanted, each with the tags of those: otherwise a
/// filter would tell what it is like on a node that is not seen.
fn services_of(
    (views, sight): (MeteredViews<'_>, Sight<'_>),
    datacenter: &str,
    params: &ReadParams,
    filter: Option<&Filter>,
) -> Vec<(Text, Vec<Text>)> {
    let meter = views.meter();
    let is_wanted = |instance: &Instance| {
        has_meta(instance.node.meta.as_ref(), &params.node_meta, meter)
            && passes(filter, &CatalogService::new(&instance.node, &instance.service, datacenter), meter)
    };
    let services = views.services(|entry| {
        // Instances are copied as pointers, and looked at without the table's lock.
        let is_affordable = meter.spend(entry.instances().len() as u64 / 4);
        is_affordable.then(|| entry.instances().cloned().collect::<Vec<_>>())
    });
    let tags_of_wanted = |(name, mut instances): (Text, Vec<Arc<Instance>>)| {
        sight.retain(&mut instances);
        instances.retain(|instance| is_wanted(instance));
        let mut tags: Vec<Text> = instances.iter().flat_map(|it| it.service.tags.iter().cloned()).collect();
        tags.sort_unstable();
        tags.dedup();
        (!instances.is_empty()).then_some((name, tags))
    };
    services.into_iter().filter_map(tags_of_wanted).collect()
}

/// `GET /v1/catalog/service/:service`
pub fn service(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let key = ServiceKey::of(&call.required("Missing service name")?);
    let query = service_query::read(call, &params, key, Aspect::Catalog)?;
    if delta::is_asked(call.query()?)? {
        return delta::answer(call, &query, &params);
    }
    let (views, meter, pretty) = (call.views(), call.meter, params.pretty);
    let topic = Topic::Service(query.service.clone());
    let read = IndexedRead { topic, params, headers: Headers::WithCache };
    indexed_variant(call, read, "", |before| {
        let (instances, index) = views.dated_instances(&query.service, query.aspect);
        let instances = query.select_unfiltered(instances, meter).instances;
        let list = list_of(
            meter,
            &instances,
            pretty,
            before,
            |found| CatalogService::new(&found.node, &found.service, &query.datacenter),
            |service| passes(query.filter.as_deref(), service, meter),
        );
        Ok(Rendered { index, ..list })
    })
}

/// `GET /v1/catalog/node/:node`, by name or UUID.
pub fn node(call: &mut Call<'_, '_>) -> HandlerResult {
    node_with_services(call, NodeShape::Map)
}

/// `GET /v1/catalog/node-services/:node`, by name or UUID.
pub fn node_services(call: &mut Call<'_, '_>) -> HandlerResult {
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

fn node_with_services(call: &mut Call<'_, '_>, shape: NodeShape) -> HandlerResult {
    let params = call.read_params()?;
    let name = NodeKey::of(&call.required("Missing node name")?);
    let filter = selection::indexed_filter(call, &params, &select::SERVICE)?;
    let (views, meter, hides) = (call.views(), call.meter, call.hides);
    let datacenter = &call.api.registry.own_node().datacenter;
    let key = views.node_by_name_or_id(&name, |_| 0, |record| NodeKey::of(&record.node().name));
    let topic = Topic::Node(key.unwrap_or_else(|| name.clone()));
    let read = IndexedRead { topic, params: params.clone(), headers: Headers::WithoutCache };
    indexed(call, read, || {
        let services_count = |node: VisibleNode<'_>| node.records();
        let found = views.node_by_name_or_id(&name, services_count, |node| {
            (node.node().clone(), node.services().cloned().collect::<Vec<Arc<Service>>>())
        });
        let Some((node, services)) = &found else {
            return Ok(match shape {
                NodeShape::Map => json::to_vec(&(), params.pretty),
                NodeShape::List => json::to_vec(&NodeServicesList::unknown(), params.pretty),
            });
        };
        let wanted = |service: &&Service| passes(filter.as_deref(), &NodeService::new(service), meter);
        let services = services.iter().map(|service| &**service).filter(wanted);
        Ok(match shape {
            NodeShape::Map => {
                json::within(meter, &NodeServicesMap::new(node, services, datacenter), params.pretty)
            }
            NodeShape::List => json::within(
                meter,
                &NodeServicesList::new(node, services, datacenter, filter.is_some() || hides.get()),
                params.pretty,
            ),
        })
    })
}
