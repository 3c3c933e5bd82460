//! Keys: names as they are filed. A name is shown as its owner writes it and compared without regard to case; a key is
//! what all spellings of it have in common. They are types of their own, so that no name is taken for a key, and no key
//! of one kind for that of another.

use std::fmt;

use crate::base::stdx::text::{Text, fold};

/// A type of keys.
macro_rules! keys {
    ($(#[$what:meta])* $Key:ident) => {
        $(#[$what])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Key(Text);

        impl $Key {
            /// The key of what is called `name`; the same allocation where that is in lower case already.
            pub fn of(name: &Text) -> $Key {
                $Key(name.folded())
            }

            /// The key as a plain string slice.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        /// The key of what is called so.
        impl From<&str> for $Key {
            fn from(name: &str) -> $Key {
                $Key(fold(name).as_ref().into())
            }
        }

        impl fmt::Debug for $Key {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl fmt::Display for $Key {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

keys! {
    /// What a node is filed under: its name in lower case.
    NodeKey
}

keys! {
    /// What the instances of a service are filed under: its name in lower case.
    ServiceKey
}

impl NodeKey {
    /// A key given back as it was filed: by a row, or by what else was made of a key. It is not folded again.
    pub fn filed(key: impl Into<Text>) -> NodeKey {
        NodeKey(key.into())
    }

    /// The key as a text, for what is shown or written down.
    pub fn text(&self) -> &Text {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_have_one_key_and_a_folded_one_shares_its_text() {
        let name = Text::from("web-1");
        assert!(std::ptr::eq(name.as_str(), NodeKey::of(&name).as_str()));
        for spelling in ["web-ä", "Web-ä", "WEB-Ä"] {
            assert_eq!(ServiceKey::of(&spelling.into()), ServiceKey::from("Web-Ä"), "{spelling}");
            assert_eq!(NodeKey::from(spelling).as_str(), "web-ä");
        }
        assert_eq!(NodeKey::filed("Web").as_str(), "Web", "what was filed is not folded again");
    }
}
