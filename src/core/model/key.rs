//! Keys: names as they are filed. A name is shown as its owner writes it and compared without regard to case; a key is
//! what all spellings of it have in common. They are types of their own, so that no name is taken for a key.

use std::fmt;

use crate::base::stdx::text::{Text, fold};

/// What a node is filed under: its name in lower case.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(Text);

impl NodeKey {
    /// The key of the node called `name`; the same allocation where that is in lower case already.
    pub fn of(name: &Text) -> NodeKey {
        NodeKey(name.folded())
    }

    /// A key given back as it was filed: by a row, or by what else was made of a key. It is not folded again.
    pub fn filed(key: impl Into<Text>) -> NodeKey {
        NodeKey(key.into())
    }

    /// The key as a plain string slice.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The key as a text, for what is shown or written down.
    pub fn text(&self) -> &Text {
        &self.0
    }
}

/// The key of the node called so.
impl From<&str> for NodeKey {
    fn from(name: &str) -> NodeKey {
        NodeKey(fold(name).as_ref().into())
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
