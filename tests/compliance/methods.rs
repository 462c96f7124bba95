//! A method that a route does not take: 405, with those that it takes.

use crate::server::Server;

#[test]
fn every_route_says_which_methods_it_takes() {
    let server = Server::start();
    let client = server.client();
    let document = client.get("/openapi.json").expect(200);
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let taken: Vec<_> = ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter(|method| item.get(method).is_some())
            .collect();
        let other = ["put", "delete", "patch", "post", "get"];
        let other = other.into_iter().find(|method| !taken.contains(method));
        let Some(other) = other.map(str::to_ascii_uppercase) else {
            continue;
        };
        let plain = path
            .replace("{urn}", "x")
            .replace("{id}", "x")
            .replace("{step}", "capture")
            .replace("{origin}", "x")
            .replace("{token}", "x")
            .replace("{programme}", "x");
        let plain = plain.replace(['{', '}'], "");
        let reply = client.send((&other, &plain), &[], "{}");
        // Another route may take what stands for a name here, such as /me for a URN.
        let is_ledger = item[taken[0]]["tags"][0] == "ledger";
        let code = reply.code(405);
        if is_ledger {
            let code = &reply.json["error_detail"]["code"];
            assert_eq!(code, "GEN_MALFORMED_REQUEST", "{other} {plain}");
        } else {
            assert_eq!(code, "method_not_allowed", "{other} {plain}");
        }
        let expected = taken.join(", ").to_ascii_uppercase();
        assert_eq!(reply.headers["allow"], expected, "{other} {plain}");
        if path.starts_with("/api/") {
            assert_eq!(reply.json["code"], "method_not_allowed", "the SDK's shape");
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen} routes");
}
