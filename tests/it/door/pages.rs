//! `Origin`, `Sec-Fetch-Site` and forms: what a foreign page could send, sent by hand.

use super::{ask, server, state};
use crate::support::client::Request;

/// Every way to change something.
const WRITES: [(&str, &str); 17] = [
    ("/v1/agent/service/register", r#"{"Name":"evil"}"#),
    ("/v1/agent/service/deregister/web", ""),
    ("/v1/agent/service/maintenance/web?enable=true", ""),
    ("/v1/agent/maintenance?enable=true", ""),
    ("/v1/agent/check/register", r#"{"Name":"evil","TTL":"10s"}"#),
    ("/v1/agent/check/deregister/beat", ""),
    ("/v1/agent/check/fail/beat", ""),
    ("/v1/agent/check/warn/beat", ""),
    ("/v1/agent/check/update/beat", r#"{"Status":"critical"}"#),
    ("/v1/agent/reload", ""),
    ("/v1/agent/leave", ""),
    ("/v1/catalog/register", r#"{"Node":"evil","Address":"10.0.0.1"}"#),
    ("/v1/catalog/deregister", r#"{"Node":"node-one","ServiceID":"web"}"#),
    ("/v1/snapshot", "{}"),
    ("/v1/muster/drain/web", ""),
    ("/v1/muster/webhooks/discard/x", ""),
    ("/nowhere", ""),
];

#[test]
fn no_foreign_page_writes_anything() {
    let server = server(&["-allowed-origins", "https://console.example"]);
    let before = state(&server);
    let own = format!("http://{}", server.address);
    let foreign: [&[(&str, &str)]; 8] = [
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://localhost:1")],
        &[("Origin", "http://127.0.0.1")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", "http://evil.example"), ("Sec-Fetch-Site", "same-origin")],
    ];
    for (target, body) in WRITES {
        for marks in foreign {
            for method in ["PUT", "POST", "DELETE"] {
                let request =
                    Request::new(method, target).header("Content-Type", "application/json").body(body);
                let request =
                    marks.iter().fold(request, |request, (name, value)| request.header(name, value));
                let answer = ask(&server, &request);
                assert_eq!(answer.status, 403, "{method} {target} {marks:?}: {}", answer.text());
                assert!(answer.text().contains("allowed_origins"), "{}", answer.text());
                assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
                assert_eq!(answer.header("Cross-Origin-Resource-Policy"), Some("same-origin"));
            }
        }
    }
    assert_eq!(state(&server), before, "nothing was changed");
    // Its own pages, those that are allowed, and whoever is no page.
    let fine: [&[(&str, &str)]; 4] = [
        &[],
        &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")],
        &[("Origin", "https://console.example"), ("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "none")],
    ];
    for marks in fine {
        let request = Request::new("PUT", "/v1/agent/check/pass/beat");
        let request = marks.iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(ask(&server, &request).status, 200, "{marks:?}");
    }
    // Reading is not forbidden; a browser does not show it to a foreign page.
    let read = Request::new("GET", "/v1/agent/services").header("Origin", "http://evil.example");
    let answer = ask(&server, &read);
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, None));
    let asked_first = Request::new("OPTIONS", "/v1/agent/service/register")
        .header("Origin", "http://evil.example")
        .header("Access-Control-Request-Method", "PUT");
    let granted = ask(&server, &asked_first);
    assert!(granted.headers.iter().all(|(name, _)| !name.starts_with("Access-Control")), "{granted:?}");
}

#[test]
fn no_form_is_taken_as_a_post() {
    let server = server(&[]);
    let rows = [
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("multipart/form-data; boundary=x"), 415),
        (Some("TEXT/Plain;charset=utf-8"), 415),
        (Some("application/json"), 200),
        (Some("application/json; charset=utf-8"), 200),
        (Some("application/octet-stream"), 200),
        (None, 200),
    ];
    let writes = [("/v1/agent/check/warn/beat", ""), ("/v1/agent/service/register", "{\"Name\":\"x\"}")];
    for (content_type, status) in rows {
        for (target, body) in writes {
            let request = |method| {
                let request = Request::new(method, target).body(body);
                content_type.iter().fold(request, |request, it| request.header("Content-Type", it))
            };
            let before = state(&server);
            let answer = ask(&server, &request("POST"));
            assert_eq!(answer.status, status, "{content_type:?} {target}: {}", answer.text());
            if status == 415 {
                assert!(answer.text().contains("application/json"), "{}", answer.text());
                assert_eq!(state(&server), before, "{content_type:?} {target}");
            }
            // `curl -X PUT -d` says a form's type, and no page can send a PUT.
            assert_eq!(ask(&server, &request("PUT")).status, 200, "{content_type:?} {target}");
        }
    }
}
