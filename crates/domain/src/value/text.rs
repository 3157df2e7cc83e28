//! What all values with a text form share: the enums of words, and the validated strings.

/// A word that is none of an enum's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: expected one of {}", allowed.join(", "))]
pub struct UnknownVariant {
    /// What the word should have been: `an agent type`.
    pub kind: &'static str,
    /// What was given, cut if it is long.
    pub text: String,
    /// The words that are known.
    pub allowed: &'static [&'static str],
}

/// Cuts a refused text to what a message can carry.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => text.get(..end).map(|head| format!("{head}…")).unwrap_or_default(),
        None => text.to_owned(),
    }
}

/// Defines an enum of words: `ALL`, `as_str`, `Display`, `FromStr`, and serde by the same words.
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident: $kind:literal {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        $vis enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The word, as stored and as written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::value::UnknownVariant;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::value::UnknownVariant {
                        kind: $kind,
                        text: $crate::value::excerpt(text),
                        allowed: &[$($text),+],
                    }),
                }
            }
        }
    };
}

/// Defines a validated string and its error; the rule itself is the `parse` that its file adds.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $error:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[doc = concat!("Why a text is not ", $what, ".")]
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("`{text}` is not {}: {reason}", $what)]
        pub struct $error {
            /// What was given, cut if it is long.
            pub text: String,
            /// What is wrong with it, and what is allowed.
            pub reason: &'static str,
        }

        impl $error {
            fn new(text: &str, reason: &'static str) -> Self {
                Self { text: $crate::value::excerpt(text), reason }
            }
        }

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::value::text_conversions!($name, $error);
    };
}

/// The conversions that follow from `parse` and `as_str`.
macro_rules! text_conversions {
    ($name:ident, $error:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}

pub(crate) use {text_conversions, text_enum, text_value};

/// Tests the laws of a value object on any text, and on texts that come close.
#[cfg(test)]
macro_rules! text_laws {
    ($name:ident, $close:literal) => {
        proptest::proptest! {
            #[test]
            fn any_text_is_refused_or_survives_its_text_form(text in proptest::prop_oneof![".*", $close]) {
                if let Ok(value) = $name::parse(text.as_str()) {
                    let json = serde_json::to_string(&value).unwrap();
                    proptest::prop_assert_eq!($name::parse(value.as_str()), Ok(value.clone()));
                    proptest::prop_assert_eq!(value.to_string().parse(), Ok(value.clone()));
                    proptest::prop_assert_eq!(serde_json::from_str::<$name>(&json).unwrap(), value);
                } else {
                    proptest::prop_assert!(serde_json::from_value::<$name>(text.into()).is_err());
                }
            }
        }
    };
}

#[cfg(test)]
pub(crate) use text_laws;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{execution_log::LogLevel, workflow_step::JoinRule};

    #[test]
    fn a_word_survives_its_text_form_and_its_json() {
        for rule in JoinRule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
            assert_eq!(serde_json::from_value::<JoinRule>(rule.as_str().into()).unwrap(), rule);
        }
    }

    #[test]
    fn an_unknown_word_is_told_which_there_are() {
        let error = "Info".parse::<LogLevel>().unwrap_err();

        assert_eq!(error.to_string(), "`Info` is not a log level: expected one of debug, info, warn, error, fatal");
    }

    #[test]
    fn a_refused_text_is_cut_between_characters() {
        let cut = excerpt(&"ä".repeat(101));

        assert_eq!(cut, format!("{}…", "ä".repeat(100)));
        assert_eq!(excerpt(&"ä".repeat(100)), "ä".repeat(100));
    }
}
