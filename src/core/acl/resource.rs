//! The vocabulary of access control: what rules are about, how much they give, and what is asked for.

/// A kind of what rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Access control itself, and all records at once, secrets among them.
    Acl,
    /// An agent, by the name of its node.
    Agent,
    /// An event, by its name.
    Event,
    /// Which services may speak to a service, by its name. Rules of services say it, in a word of their own.
    Intention,
    /// A key.
    Key,
    /// The keys with which members of the cluster encrypt.
    Keyring,
    /// A node, by its name.
    Node,
    /// What concerns the server as a whole.
    Operator,
    /// A prepared query, by its name.
    Query,
    /// A service, by its name.
    Service,
    /// A session, by the name of its node.
    Session,
}

impl Resource {
    /// All of them, in order.
    pub const ALL: [Resource; 11] = [
        Resource::Acl,
        Resource::Agent,
        Resource::Event,
        Resource::Intention,
        Resource::Key,
        Resource::Keyring,
        Resource::Node,
        Resource::Operator,
        Resource::Query,
        Resource::Service,
        Resource::Session,
    ];

    /// Its name, which is the word that rules have for it but for [`Resource::Intention`].
    pub const fn name(self) -> &'static str {
        match self {
            Resource::Acl => "acl",
            Resource::Agent => "agent",
            Resource::Event => "event",
            Resource::Intention => "intention",
            Resource::Key => "key",
            Resource::Keyring => "keyring",
            Resource::Node => "node",
            Resource::Operator => "operator",
            Resource::Query => "query",
            Resource::Service => "service",
            Resource::Session => "session",
        }
    }

    /// Whether there is but one of it, which has no name.
    pub const fn is_sole(self) -> bool {
        matches!(self, Resource::Acl | Resource::Keyring | Resource::Operator)
    }

    /// Whether rules tell [`Disposition::List`] of it from [`Disposition::Read`].
    pub const fn is_listed_apart(self) -> bool {
        matches!(self, Resource::Key)
    }
}

/// Which of a kind a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matching {
    /// The one there is.
    Sole,
    /// The one that has the segment for a name.
    Exact,
    /// All whose names begin with the segment.
    Prefix,
}

impl Matching {
    /// What follows the name of a resource in the word of a rule.
    pub const fn suffix(self) -> &'static str {
        match self {
            Matching::Sole | Matching::Exact => "",
            Matching::Prefix => "_prefix",
        }
    }
}

/// How much a rule gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing.
    Deny,
    /// To see it.
    Read,
    /// To see it, and what there is below it.
    List,
    /// To see it, what there is below it, and to change it.
    Write,
}

impl Disposition {
    /// The word that rules have for it.
    pub const fn word(self) -> &'static str {
        match self {
            Disposition::Deny => "deny",
            Disposition::Read => "read",
            Disposition::List => "list",
            Disposition::Write => "write",
        }
    }

    /// That of a word, in any case.
    pub fn of_word(word: &str) -> Option<Disposition> {
        let all = [Disposition::Deny, Disposition::Read, Disposition::List, Disposition::Write];
        all.into_iter().find(|it| word.eq_ignore_ascii_case(it.word()))
    }

    /// Whether it is enough for `access`.
    pub const fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => !matches!(self, Disposition::Deny),
            Access::List => matches!(self, Disposition::List | Disposition::Write),
            Access::Write => matches!(self, Disposition::Write),
        }
    }

    /// What counts where two rules speak of the same: a deny wins, and otherwise what gives more.
    pub fn merged(self, other: Disposition) -> Disposition {
        match (self, other) {
            (Disposition::Deny, _) | (_, Disposition::Deny) => Disposition::Deny,
            _ => self.max(other),
        }
    }
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// To see it.
    Read,
    /// To see what there is below it.
    List,
    /// To change it.
    Write,
}

impl Access {
    /// All of them.
    pub const ALL: [Access; 3] = [Access::Read, Access::List, Access::Write];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::List => "list",
            Access::Write => "write",
        }
    }
}

/// What counts where no rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefaultPolicy {
    /// Everything is allowed but what concerns access control itself.
    Allow,
    /// Nothing is allowed.
    Deny,
}

impl DefaultPolicy {
    /// Whether it allows something of `resource`.
    pub fn allows(self, resource: Resource) -> bool {
        self == DefaultPolicy::Allow && resource != Resource::Acl
    }
}
