//! E-mail addresses.

use super::text_value;

text_value!(
    /// An e-mail address, trimmed and in lower case: two addresses that differ only in case are equal.
    Email, InvalidEmail, "an e-mail address"
);

impl Email {
    /// The longest address, in bytes.
    pub const BYTES_MAX: usize = 255;
    const LOCAL_BYTES_MAX: usize = 64;
    const LABEL_BYTES_MAX: usize = 63;

    /// Parses an address: what a browser's e-mail field accepts (the HTML standard's rule), with the dots of
    /// the part before the `@` where RFC 5321 has them.
    ///
    /// # Errors
    ///
    /// [`InvalidEmail`] if the text is empty, too long, or not of the form `local@domain`.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidEmail> {
        let text = text.into();
        let address = text.trim().to_ascii_lowercase();
        let refuse = |reason| Err(InvalidEmail::new(&text, reason));
        if address.len() > Self::BYTES_MAX {
            return refuse("it may have at most 255 bytes");
        }
        let Some((local, domain)) = address.split_once('@') else {
            return refuse("it needs the form `name@example.com`");
        };
        if !Self::is_local_part(local) {
            return refuse("the part before the @ may have 1 to 64 letters, digits and .!#$%&'*+/=?^_`{|}~-");
        }
        if !domain.split('.').all(Self::is_label) {
            return refuse("the part after the @ must be a domain of letters, digits, dots and hyphens");
        }
        Ok(Self(address))
    }

    fn is_local_part(local: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&c);
        local.len() <= Self::LOCAL_BYTES_MAX
            && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
    }

    fn is_label(label: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        (1..=Self::LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(Email, "[ a-zA-Z0-9.+_-]{0,66}@[a-zA-Z0-9.-]{0,20}");

    #[test]
    fn addresses_that_differ_only_in_case_or_white_space_are_equal() {
        assert_eq!(Email::parse("  Ada.Lovelace@Example.COM\n"), Email::parse("ada.lovelace@example.com"));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", ["b".repeat(60).as_str(); 5].join("."));
        let refused = [
            "",
            " ",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@ex ample.com",
            "ada@@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@example..com",
            "ada@.com",
            "ada@com.",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exam_ple.com",
            "ädä@example.com",
            "ada@bücher.example",
            "Ada <ada@example.com>",
            "ada@example.com,bob@example.com",
            "\"ada\"@example.com",
            "ada@[127.0.0.1]",
            "ada\0@example.com",
            "ada@example.com\r\nBcc: bob@example.com",
            &long_local,
            &long,
        ];
        for text in refused {
            assert!(Email::parse(text).is_err(), "{text:?} is accepted");
        }
    }

    #[test]
    fn what_is_an_address_is_accepted() {
        for text in ["a@b", "admin@turbocat.dev", "o'hara+tag@mail.example.co.uk", "1@2.3", "x@a-b.example"] {
            assert!(Email::parse(text).is_ok(), "{text:?} is refused");
        }
    }

    #[test]
    fn the_longest_address_is_accepted_and_one_more_is_not() {
        let domain = [["b"; 63].concat(), ["c"; 63].concat(), ["d"; 63].concat(), ["e"; 49].concat()].join(".");
        let longest = format!("local.part@{domain}");

        assert_eq!(Email::parse(format!("l{}", &longest[..])).map(|email| email.as_str().len()).ok(), Some(253));
        assert!(Email::parse(format!("{}{longest}", "x".repeat(3))).is_ok());
        assert!(Email::parse(format!("{}{longest}", "x".repeat(4))).is_err());
    }
}
