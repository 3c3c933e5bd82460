//! Bounds on what a record may hold. Each is checked where a request becomes a command, and tested at the bound.

/// Bytes of a check's output that are kept, as Consul keeps. Larger ones would make every health answer carry pages of
/// logs; smaller ones cut the line that says what is wrong.
pub const OUTPUT_BYTES_MAX: usize = 4096;

/// Pairs in one record's metadata (Consul's bound).
pub const META_PAIRS_MAX: usize = 64;

/// Bytes in a metadata key (Consul's bound).
pub const META_KEY_BYTES_MAX: usize = 128;

/// Bytes in a metadata value (Consul's bound).
pub const META_VALUE_BYTES_MAX: usize = 512;

/// Bytes in a name or id of a node, service or check. Names become DNS labels (63) or file names (255) elsewhere.
pub const NAME_BYTES_MAX: usize = 255;

/// Tags on one instance. Every one is repeated in each answer that shows the instance.
pub const TAGS_MAX: usize = 256;

/// Bytes in one tag. Load balancers read whole routing rules from a tag, so this is roomy.
pub const TAG_BYTES_MAX: usize = 4096;

/// Checks on one instance, and in one registration. Each is probed and repeated in each answer.
pub const CHECKS_PER_SERVICE_MAX: usize = 64;

/// Instances on one node. All of them are in one answer of `/v1/agent/services`.
pub const SERVICES_PER_NODE_MAX: usize = 100_000;
