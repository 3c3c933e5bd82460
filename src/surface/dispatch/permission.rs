//! What a caller has to be allowed before a route answers him, in the words of Consul's rules.
//!
//! <https://developer.hashicorp.com/consul/docs/security/acl/acl-rules>

use crate::core::acl::resource::{Access, Resource};

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it shows and changes nothing that is registered.
    Public,
    /// Each of these, as far as it concerns what is read or written.
    Needs(&'static [Requirement]),
}

/// So much of a resource, and which one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// So much, whatever the request.
    Need(Resource, Segment, Access),
    /// To read it with a method that reads, to write it with one that changes.
    NeedByMethod(Resource, Segment),
    /// Of keys, by the method. With `?keys` or `?recurse`, to read each entry, or else, where the configuration wants
    /// that, to list what is asked for; to remove all of these, to write everything below.
    NeedOfKeys(Segment),
    /// Of a check: so much of its service, or of its node where it belongs to none.
    NeedOfCheck(Segment, Access),
}

/// Where a request says which one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// There is but one.
    Sole,
    /// It is this agent's own node.
    OwnNode,
    /// The rest of the path is its name.
    Path,
    /// The rest of the path is the id of one of the agent's instances or checks; what it is of is looked up.
    PathId,
    /// The body names it.
    Body,
    /// Each entry of the answer has one: what may not be seen is left out.
    Entries,
}

impl Permission {
    /// All that it asks for.
    pub fn needs(self) -> &'static [Requirement] {
        match self {
            Permission::Public => &[],
            Permission::Needs(needs) => needs,
        }
    }

    /// What entries the answers are made of: what tells the answers for one caller from those for another.
    pub fn entries(self) -> impl Iterator<Item = Resource> {
        let of = |need: &Requirement| match *need {
            Requirement::Need(resource, Segment::Entries, _) => [Some(resource), None],
            Requirement::NeedOfKeys(_) => [Some(Resource::Key), None],
            Requirement::NeedOfCheck(Segment::Entries, _) => [Some(Resource::Node), Some(Resource::Service)],
            _ => [None, None],
        };
        self.needs().iter().flat_map(of).flatten()
    }
}
