//! What has changed in a list of instances, and the events of a stream of such changes. Muster's own shapes.

use serde::Serialize;

/// The answer to `?delta=1`: what has changed since the index that was asked for, or with `full` everything.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Delta<'a, T> {
    /// What to ask with next time.
    pub index: u64,
    /// Whether `changed` is the whole list, to be put in the place of what the reader has.
    pub full: bool,
    /// Entries that are new or look different, in the shape of the plain answer.
    pub changed: Vec<T>,
    /// What is no longer in the list. To be taken out before `changed` is put in.
    pub removed: Vec<InstanceKey<'a>>,
}

/// What tells one instance from another.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceKey<'a> {
    /// The name of its node.
    pub node: &'a str,
    /// Its id.
    #[serde(rename = "ID")]
    pub id: &'a str,
}

/// The data of an event that shows all instances of one service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Snapshot<'a, T> {
    /// The name of the service, as it was asked for.
    pub service: &'a str,
    /// The index that the list shows.
    pub index: u64,
    /// The instances.
    pub entries: Vec<T>,
}

/// The data of an event that shows one instance.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneEntry<'a, T> {
    /// The name of the service, as it was asked for.
    pub service: &'a str,
    /// The index that the entry shows.
    pub index: u64,
    /// The instance.
    pub entry: T,
}

/// The data of an event that takes one instance away.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Removal<'a> {
    /// The name of the service, as it was asked for.
    pub service: &'a str,
    /// The index at which it was not there.
    pub index: u64,
    /// Which instance.
    #[serde(flatten)]
    pub key: InstanceKey<'a>,
}

/// The data of an event that says how far the stream is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bookmark {
    /// The index up to which everything was sent.
    pub index: u64,
}
