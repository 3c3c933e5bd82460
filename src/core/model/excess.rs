//! Ways of checking that are larger than any run takes.
//!
//! Whoever registers such a check is told so. One that was taken before there were these bounds is kept, and its runs
//! say so instead of working on it.

use crate::base::stdx::text::Text;
use crate::core::model::Probe;
use crate::core::model::limits::{
    PROBE_HEADER_BYTES_MAX, PROBE_HEADER_NAMES_MAX, PROBE_HEADER_VALUES_MAX, PROBE_TARGET_BYTES_MAX,
};

impl Probe {
    /// The first bound that this way of checking is beyond, in a sentence that names it; `None` within all.
    ///
    /// Cost: O(header values).
    pub fn excess(&self) -> Option<String> {
        let (name, bytes) = match self {
            Probe::Http { url, .. } => ("HTTP", url.len()),
            Probe::Tcp { address, .. } => ("TCP", address.len()),
            Probe::Udp { address } => ("UDP", address.len()),
            // As it is written: a slash between the two.
            Probe::Grpc { address, service, .. } if !service.is_empty() => {
                ("GRPC", address.len() + 1 + service.len())
            }
            Probe::Grpc { address, .. } => ("GRPC", address.len()),
            Probe::H2Ping { address, .. } => ("H2PING", address.len()),
            Probe::Ttl { .. } | Probe::OsService { .. } | Probe::Script { .. } | Probe::Alias { .. } => {
                return None;
            }
        };
        if bytes > PROBE_TARGET_BYTES_MAX {
            return Some(format!("{name} must be at most {PROBE_TARGET_BYTES_MAX} bytes, and has {bytes}"));
        }
        self.excess_of_header()
    }

    fn excess_of_header(&self) -> Option<String> {
        let Probe::Http { header, .. } = self else { return None };
        let values: usize = header.values().map(Vec::len).sum();
        let of_values = |values: &Vec<Text>| values.iter().map(|it| it.len()).sum::<usize>();
        let bytes: usize = header.iter().map(|(name, values)| name.len() + of_values(values)).sum();
        let counted = [
            (header.len(), PROBE_HEADER_NAMES_MAX, "names"),
            (values, PROBE_HEADER_VALUES_MAX, "values"),
            (bytes, PROBE_HEADER_BYTES_MAX, "bytes of names and values together"),
        ];
        let (count, max, what) = counted.into_iter().find(|(count, max, _)| count > max)?;
        Some(format!("Header must have at most {max} {what}, and has {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: String, header: impl IntoIterator<Item = (String, Vec<Text>)>) -> Probe {
        let header = header.into_iter().map(|(name, values)| (name.as_str().into(), values)).collect();
        Probe::http(&url, header, "")
    }

    /// Makes a way of checking of a size.
    type Making<'a> = &'a dyn Fn(usize) -> Probe;

    #[test]
    fn what_is_beyond_a_bound_is_told_and_nothing_before() {
        let address = |bytes: usize| Text::from("x".repeat(bytes).as_str());
        let max = PROBE_TARGET_BYTES_MAX;
        let targets: [(&str, Making<'_>); 6] = [
            ("HTTP", &|bytes| http("x".repeat(bytes), [])),
            ("TCP", &|bytes| Probe::Tcp { address: address(bytes), tls: None }),
            ("UDP", &|bytes| Probe::Udp { address: address(bytes) }),
            ("GRPC", &|bytes| Probe::Grpc { address: address(bytes), service: "".into(), tls: None }),
            ("GRPC", &|bytes| Probe::Grpc { address: "h".into(), service: address(bytes - 2), tls: None }),
            ("H2PING", &|bytes| Probe::H2Ping { address: address(bytes), tls: None }),
        ];
        for (name, of) in targets {
            assert_eq!(of(max).excess(), None, "{name}");
            let told = of(max + 1).excess();
            assert_eq!(told, Some(format!("{name} must be at most 8192 bytes, and has 8193")));
        }
        let names = |count: usize| http("u".into(), (0..count).map(|at| (format!("n{at}"), vec![])));
        let values = |count: usize| http("u".into(), [("n".to_owned(), vec![Text::from("v"); count])]);
        let bytes = |bytes: usize| http("u".into(), [("n".to_owned(), vec![address(bytes - 1)])]);
        let headers: [(Making<'_>, usize, &str); 3] = [
            (&names, PROBE_HEADER_NAMES_MAX, "128 names, and has 129"),
            (&values, PROBE_HEADER_VALUES_MAX, "1024 values, and has 1025"),
            (&bytes, PROBE_HEADER_BYTES_MAX, "65536 bytes of names and values together, and has 65537"),
        ];
        for (of, max, told) in headers {
            assert_eq!(of(max).excess(), None, "{told}");
            assert_eq!(of(max + 1).excess(), Some(format!("Header must have at most {told}")));
        }
    }
}
