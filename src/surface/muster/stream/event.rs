//! Server-sent events as text.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use serde::Serialize;

use crate::base::stdx::meter::Meter;
use crate::wire::json;

/// The content type of a stream of events.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// Appends one event as far as `meter` lets it. With an `id` the reader may resume behind it.
pub fn put(out: &mut Vec<u8>, meter: &Meter<'_>, kind: &str, id: Option<u64>, data: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    // Compact JSON has no line ends, so one line of data is all of it.
    out.extend_from_slice(&json::within(meter, data, false));
    out.extend_from_slice(b"\n\n");
    meter.spend_bytes(0, out.len());
}

/// Appends how long the reader is to wait before it connects again.
pub fn put_retry(out: &mut Vec<u8>, milliseconds: u64) {
    out.extend_from_slice(b"retry: ");
    out.extend_from_slice(itoa::Buffer::new().format(milliseconds).as_bytes());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_three_lines_and_a_blank_one() {
        let mut out = Vec::new();
        put_retry(&mut out, 1500);
        let meter = Meter::boundless();
        put(&mut out, &meter, "add", None, &"a\nb");
        put(&mut out, &meter, "bookmark", Some(7), &[1]);
        let text = "retry: 1500\n\nevent: add\ndata: \"a\\nb\"\n\nevent: bookmark\nid: 7\ndata: [1]\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
