//! What a caller has to be allowed before a route answers him, in the words of Consul's rules.
//!
//! <https://developer.hashicorp.com/consul/docs/security/acl/acl-rules>

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it shows and changes nothing that is registered.
    Public,
    /// Each of these, as far as it concerns what is read or written.
    Needs(&'static [Need]),
}

/// So much of a resource, and which one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(pub Resource, pub Segment, pub Access);

/// A kind of what rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Access control itself, and all records at once, secrets among them: `acl`.
    Acl,
    /// An agent: `agent "NODE"`.
    Agent,
    /// A key, or the keys that begin so: `key`, `key_prefix`.
    Key,
    /// A node: `node`.
    Node,
    /// What concerns the server as a whole: `operator`.
    Operator,
    /// A service: `service`.
    Service,
    /// Of a check: its service, or its node where it belongs to none.
    ServiceOrNode,
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
    /// The rest of the path is the id of an instance or a check; what it is of is looked up.
    PathId,
    /// The body names it.
    Body,
    /// This parameter is its name.
    Parameter(&'static str),
    /// Each entry of the answer has one: what may not be seen is left out.
    Entries,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To see it.
    Read,
    /// To see what there is below it, and to see that.
    List,
    /// To change it, and everything above.
    Write,
    /// `Read` with a method that reads, `Write` with one that changes.
    ByMethod,
    /// As [`Access::ByMethod`]; with `?keys` or `?recurse`, `Read` of each entry, or else, where the configuration
    /// wants that, `List` of what is asked for.
    OfKeys,
}
