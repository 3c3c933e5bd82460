//! JSON bodies that are none, or describe what cannot be kept. Texts are Consul's where it has one for the fault.

use super::row::{Row, put};

pub const SERVICE: &str = "/v1/agent/service/register";
pub const CHECK: &str = "/v1/agent/check/register";
pub const REGISTER: &str = "/v1/catalog/register";
pub const DEREGISTER: &str = "/v1/catalog/deregister";

/// The TTL check among the seeds.
const UPDATE: &str = "/v1/agent/check/update/service:web";

/// How deep the nested bodies go: far beyond any honest one, and beyond any recursion on a coroutine's stack.
const NESTED_LEVELS: usize = 10_000;

pub fn rows() -> Vec<Row> {
    let tables = [SYNTAX, TYPES, SERVICES, CHECKS_OF_SERVICES, CHECKS, CATALOG];
    let fixed = tables.into_iter().flatten().map(|(target, body, says)| refused(target, body, says));
    fixed.chain(nested()).chain(bytes()).chain(odd()).collect()
}

fn refused(target: &str, body: impl AsRef<[u8]>, says: &'static str) -> Row {
    Row::refused("a body", put(target, body), 400, says)
}

/// Where it goes, the body, and what the answer says.
type Table = &'static [(&'static str, &'static str, &'static str)];

const SYNTAX: Table = &[
    (SERVICE, "", "Request decode failed: EOF"),
    (SERVICE, " \r\n\t", "Request decode failed: EOF"),
    (SERVICE, "{", "Request decode failed: unexpected EOF"),
    (SERVICE, r#"{"Name":"x"#, "Request decode failed: unexpected EOF"),
    (SERVICE, r#"{"Name":"x","Tags":["a""#, "Request decode failed: unexpected EOF"),
    (SERVICE, "nul", "Request decode failed: unexpected EOF"),
    (SERVICE, "nil", "invalid character 'i' in literal null (expecting 'u')"),
    (SERVICE, "{bad}", "invalid character 'b' looking for beginning of object key string"),
    (SERVICE, "{'Name':'x'}", r"invalid character '\'' looking for beginning of object key string"),
    (SERVICE, r#"{"Name":"x",}"#, "invalid character '}' looking for beginning of object key string"),
    (SERVICE, r#"{"Name":"x" "Port":1}"#, r#"invalid character '"' after object key:value pair"#),
    (SERVICE, r#"{"Name" "x"}"#, r#"invalid character '"' after object key"#),
    (SERVICE, r#"{"Name":"x","Tags":["a",]}"#, "invalid character ']' looking for beginning of value"),
    (SERVICE, r#"{"Name":"a\qb"}"#, "invalid character 'q' in string escape code"),
    (SERVICE, r#"{"Name":"a\u12g4"}"#, r"invalid character 'g' in \u hexadecimal character escape"),
    (SERVICE, "{\"Name\":\"a\nb\"}", r"invalid character '\n' in string literal"),
    (SERVICE, "{\"Name\":\"a\0b\"}", r"invalid character '\x00' in string literal"),
    (SERVICE, r#"{"Name":"x","Port":080}"#, "invalid character '8' after object key:value pair"),
    (SERVICE, r#"{"Name":"x","Port":0x50}"#, "invalid character 'x' after object key:value pair"),
    (SERVICE, r#"{"Name":"x","Port":+80}"#, "invalid character '+' looking for beginning of value"),
    (SERVICE, r#"{"Name":"x","Port":.5}"#, "invalid character '.' looking for beginning of value"),
    (SERVICE, r#"{"Name":"x","Port":8.}"#, "invalid character '}' after decimal point in numeric literal"),
    (SERVICE, r#"{"Name":"x","Port":8e}"#, "invalid character '}' in exponent of numeric literal"),
    (SERVICE, r#"{"Name":"x","Port":NaN}"#, "invalid character 'N' looking for beginning of value"),
    (SERVICE, "\u{feff}{\"Name\":\"x\"}", "looking for beginning of value"),
    (SERVICE, "// a service\n{\"Name\":\"x\"}", "invalid character '/' looking for beginning of value"),
    (SERVICE, "Name=x&Port=80", "invalid character 'N' looking for beginning of value"),
    (SERVICE, "<service name=\"x\"/>", "invalid character '<' looking for beginning of value"),
    (SERVICE, r#"{"Name":"x"} and so on"#, "invalid character 'a' after top-level value"),
    (SERVICE, r#"{"Name":"x"}{"Name":"y"}"#, "invalid character '{' after top-level value"),
    (CHECK, "{\"Name\":\"x\",\"TTL\":\"9s\"}\n{}", "invalid character '{' after top-level value"),
    (REGISTER, r#"{"Node":"x","Address":"b"} x"#, "invalid character 'x' after top-level value"),
    (CHECK, "", "Request decode failed: EOF"),
    (CHECK, "{\"Name\":", "Request decode failed: unexpected EOF"),
    (UPDATE, "", "Request decode failed: EOF"),
    (UPDATE, "passing", "invalid character 'p' looking for beginning of value"),
    (REGISTER, "", "Request decode failed: EOF"),
    (REGISTER, "{\"Node\":\"x\"", "Request decode failed: unexpected EOF"),
    (DEREGISTER, "", "Request decode failed: EOF"),
    (DEREGISTER, "{\"Node\":n2}", "invalid character '2' in literal null (expecting 'u')"),
];

const TYPES: Table = &[
    (SERVICE, "[]", "cannot unmarshal array into Go value"),
    (SERVICE, "\"web\"", "cannot unmarshal string into Go value"),
    (SERVICE, "true", "cannot unmarshal bool into Go value"),
    (SERVICE, "5", "cannot unmarshal number into Go value"),
    (SERVICE, r#"{"Name":5}"#, "cannot unmarshal number into Go struct field .Name of type string"),
    (SERVICE, r#"{"name":["x"]}"#, "cannot unmarshal array into Go struct field .Name of type string"),
    (SERVICE, r#"{"ID":{}}"#, "cannot unmarshal object into Go struct field .ID of type string"),
    (
        SERVICE,
        r#"{"Name":"x","Address":false}"#,
        "cannot unmarshal bool into Go struct field .Address of type string",
    ),
    (
        SERVICE,
        r#"{"Name":"x","Port":"80"}"#,
        "cannot unmarshal string into Go struct field .Port of type int",
    ),
    (
        SERVICE,
        r#"{"Name":"x","Port":1.5}"#,
        "cannot unmarshal number 1.5 into Go struct field .Port of type int",
    ),
    (SERVICE, r#"{"Name":"x","Port":99999999999999999999}"#, "into Go struct field .Port of type int"),
    (SERVICE, r#"{"Name":"x","Port":1e400}"#, "number"),
    (SERVICE, r#"{"Name":"x","Port":[80]}"#, "cannot unmarshal array into Go struct field .Port of type int"),
    (
        SERVICE,
        r#"{"Name":"x","Tags":"a"}"#,
        "cannot unmarshal string into Go struct field .Tags of type []string",
    ),
    (SERVICE, r#"{"Name":"x","Tags":{"a":"b"}}"#, "cannot unmarshal object into Go struct field .Tags"),
    (
        SERVICE,
        r#"{"Name":"x","Tags":["a",1]}"#,
        "cannot unmarshal number into Go struct field .Tags of type string",
    ),
    (SERVICE, r#"{"Name":"x","Meta":[]}"#, "cannot unmarshal array into Go struct field .Meta"),
    (
        SERVICE,
        r#"{"Name":"x","Meta":{"a":1}}"#,
        "cannot unmarshal number into Go struct field .Meta of type string",
    ),
    (SERVICE, r#"{"Name":"x","EnableTagOverride":"yes"}"#, "cannot unmarshal string into Go struct field"),
    (
        SERVICE,
        r#"{"Name":"x","TaggedAddresses":{"lan":"a"}}"#,
        "cannot unmarshal string into Go struct field",
    ),
    (SERVICE, r#"{"Name":"x","Weights":10}"#, "cannot unmarshal number into Go struct field .Weights"),
    (
        SERVICE,
        r#"{"Name":"x","Weights":{"Passing":"1"}}"#,
        "cannot unmarshal string into Go struct field Weights",
    ),
    (SERVICE, r#"{"Name":"x","Check":"http"}"#, "cannot unmarshal string into Go struct field .Check"),
    (
        SERVICE,
        r#"{"Name":"x","Checks":{"TTL":"1s"}}"#,
        "cannot unmarshal object into Go struct field .Checks",
    ),
    (SERVICE, r#"{"Name":"x","Checks":["1s"]}"#, "cannot unmarshal string into Go struct field .Checks"),
    (SERVICE, r#"{"Name":"x","Proxy":"web"}"#, "cannot unmarshal string into Go struct field .Proxy"),
    (
        SERVICE,
        r#"{"Name":"x","Proxy":{"Config":[]}}"#,
        "cannot unmarshal array into Go struct field .Proxy.Config",
    ),
    (SERVICE, r#"{"Name":"x","Connect":true}"#, "cannot unmarshal bool into Go struct field .Connect"),
    (CHECK, "[]", "cannot unmarshal array into Go value"),
    (CHECK, r#"{"Name":"x","Header":{"A":"b"}}"#, "cannot unmarshal string into Go struct field .Header"),
    (
        CHECK,
        r#"{"Name":"x","Args":"true"}"#,
        "cannot unmarshal string into Go struct field .Args of type []string",
    ),
    (CHECK, r#"{"Name":"x","SuccessBeforePassing":"1"}"#, "cannot unmarshal string into Go struct field"),
    (UPDATE, "[]", "cannot unmarshal array into Go value"),
    (
        UPDATE,
        r#"{"Status":0}"#,
        "cannot unmarshal number into Go struct field checkUpdate.Status of type string",
    ),
    (REGISTER, "[]", "cannot unmarshal array into Go value"),
    (
        REGISTER,
        r#"{"Node":5}"#,
        "cannot unmarshal number into Go struct field RegisterRequest.Node of type string",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Service":[]}"#,
        "cannot unmarshal array into Go struct field RegisterRequest.Service",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Check":{"Definition":[]}}"#,
        "cannot unmarshal array into Go struct field HealthCheck",
    ),
    (DEREGISTER, "[]", "cannot unmarshal array into Go value"),
    (DEREGISTER, r#"{"Node":{"Name":"n2"}}"#, "cannot unmarshal object into Go struct field"),
];

const SERVICES: Table = &[
    (SERVICE, "null", "Missing service name"),
    (SERVICE, "{}", "Missing service name"),
    (SERVICE, r#"{"ID":"x"}"#, "Missing service name"),
    (SERVICE, r#"{"Name":null}"#, "Missing service name"),
    (SERVICE, r#"{"Name":"x","name":""}"#, "Missing service name"),
    (SERVICE, r#"{"Name":"a\u0000b"}"#, "Invalid service name: control characters are not allowed"),
    (SERVICE, r#"{"Name":"a\r\nb"}"#, "Invalid service name: control characters are not allowed"),
    (SERVICE, r#"{"Name":"a\u007fb"}"#, "Invalid service name: control characters are not allowed"),
    (SERVICE, r#"{"Name":"a\u0085b"}"#, "Invalid service name: control characters are not allowed"),
    (SERVICE, r#"{"Name":"x","ID":"a\u001b[2J"}"#, "Invalid service ID: control characters are not allowed"),
    (SERVICE, r#"{"Name":"x","Address":"0.0.0.0"}"#, "Invalid service address"),
    (SERVICE, r#"{"Name":"x","Address":"::"}"#, "Invalid service address"),
    (SERVICE, r#"{"Name":"x","Address":"[::]"}"#, "Invalid service address"),
    (SERVICE, r#"{"Name":"x","Address":"a\u0000"}"#, "Invalid service address: control characters"),
    (SERVICE, r#"{"Name":"x","Port":-1}"#, "must be between 0 and 65535"),
    (SERVICE, r#"{"Name":"x","Port":9223372036854775807}"#, "must be between 0 and 65535"),
    (SERVICE, r#"{"Name":"x","Port":80,"port":-80}"#, "must be between 0 and 65535"),
    (
        SERVICE,
        r#"{"Name":"x","Weights":{"Passing":0,"Warning":1}}"#,
        "Invalid Weights: Passing must be greater than 0",
    ),
    (SERVICE, r#"{"Name":"x","Weights":{"Passing":-5}}"#, "Invalid Weights: Passing must be greater than 0"),
    (
        SERVICE,
        r#"{"Name":"x","Weights":{"Passing":1,"Warning":-1}}"#,
        "Warning must be greater or equal than 0",
    ),
    (SERVICE, r#"{"Name":"x","Meta":{"":"c"}}"#, "Key cannot be blank"),
    (SERVICE, r#"{"Name":"x","Meta":{"a b":"c"}}"#, "('a b', 'c'): Key contains invalid characters"),
    (SERVICE, r#"{"Name":"x","Meta":{"a\u0000":"c"}}"#, "Key contains invalid characters"),
    (SERVICE, r#"{"Name":"x","Meta":{"consul-a":"c"}}"#, "Key prefix 'consul-' is reserved for internal use"),
    (
        SERVICE,
        r#"{"Name":"x","TaggedAddresses":{"lan_ipv4":{"Address":"fe80::1"}}}"#,
        "must be a valid ipv4 address",
    ),
    (
        SERVICE,
        r#"{"Name":"x","TaggedAddresses":{"wan_ipv6":{"Address":"1.2.3.4"}}}"#,
        "must be a valid ipv6 address",
    ),
    (
        SERVICE,
        r#"{"Name":"x","TaggedAddresses":{"lan":{"Address":"a","Port":-1}}}"#,
        "must be between 0 and 65535",
    ),
    (SERVICE, r#"{"Name":"x","Kind":"bogus"}"#, r#"Invalid service kind "bogus""#),
    (SERVICE, r#"{"Name":"x","Kind":"Connect-Proxy"}"#, "use one of connect-proxy"),
    (
        SERVICE,
        r#"{"Name":"x","Kind":"connect-proxy","Port":1}"#,
        "Proxy.DestinationServiceName must be non-empty",
    ),
    (
        SERVICE,
        r#"{"Name":"x","Kind":"connect-proxy","Proxy":{"DestinationServiceName":"web"}}"#,
        "Port must be set for a Connect proxy",
    ),
    (SERVICE, r#"{"Name":"x","Kind":"mesh-gateway"}"#, "Port must be non-zero for a mesh-gateway"),
    (SERVICE, r#"{"Name":"x","Connect":{"SidecarService":{}}}"#, "Invalid SidecarService"),
];

const CHECKS_OF_SERVICES: Table = &[
    (SERVICE, r#"{"Name":"x","Check":{"Name":"c"}}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (
        SERVICE,
        r#"{"Name":"x","Check":{"TTL":"0s","Notes":"n"}}"#,
        "Invalid check: TTL must be > 0 for TTL checks",
    ),
    (SERVICE, r#"{"Name":"x","Check":{"TTL":"1s","Status":"bogus"}}"#, "Status for checks must"),
    (SERVICE, r#"{"Name":"x","Check":{"HTTP":"http://127.0.0.1/"}}"#, "Invalid check: Interval must be > 0"),
    (
        SERVICE,
        r#"{"Name":"x","Check":{"TTL":"1s","CheckID":"a\u0000"}}"#,
        "Invalid check ID: control characters",
    ),
    (SERVICE, r#"{"Name":"x","Check":{"TTL":"1s","Name":"a\nb"}}"#, "Invalid check name: control characters"),
    // The first check is sound; none is kept when another is not.
    (SERVICE, r#"{"Name":"x","Checks":[{"TTL":"1s"},{"TCP":"127.0.0.1:1"}]}"#, "Interval must be > 0"),
    (SERVICE, r#"{"Name":"web","Port":81,"Checks":[{"TTL":"1s"},{"TTL":"x"}]}"#, "invalid duration"),
];

const CHECKS: Table = &[
    (CHECK, "null", "Missing check name"),
    (CHECK, r#"{"ID":"x","TTL":"1s"}"#, "Missing check name"),
    (CHECK, r#"{"Name":"a\u0000b","TTL":"1s"}"#, "control characters are not allowed"),
    (CHECK, r#"{"Name":"x","TTL":"1s","Status":"bogus"}"#, "Bad check status"),
    (CHECK, r#"{"Name":"x","TTL":"1s","Status":"PASSING"}"#, "Bad check status"),
    (CHECK, r#"{"Name":"x"}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","Interval":"1s"}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","TTL":"-1s"}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","TTL":-1}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","TTL":true}"#, "Invalid check: TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","TTL":"1s","Interval":"1s"}"#, "Interval and TTL cannot both be specified"),
    (
        CHECK,
        r#"{"Name":"x","HTTP":"http://127.0.0.1/"}"#,
        "Interval must be > 0 for Script, HTTP, or TCP checks",
    ),
    (CHECK, r#"{"Name":"x","TCP":"127.0.0.1:1"}"#, "Interval must be > 0 for Script, HTTP, or TCP checks"),
    (CHECK, r#"{"Name":"x","TCP":"127.0.0.1:1","Interval":"-1s"}"#, "Interval must be > 0"),
    (CHECK, r#"{"Name":"x","TCP":"127.0.0.1:1","Interval":"0"}"#, "Interval must be > 0"),
    (CHECK, r#"{"Name":"x","AliasService":"web","TTL":"1s"}"#, "TTL must be not be set for Alias checks"),
    (
        CHECK,
        r#"{"Name":"x","AliasService":"web","HTTP":"http://127.0.0.1/","Interval":"1s"}"#,
        "Interval cannot be set for Alias checks",
    ),
    (CHECK, r#"{"Name":"x","Args":["true"],"Interval":"1s"}"#, "Scripts are disabled on this agent"),
    (CHECK, r#"{"Name":"x","Script":"true","Interval":"1s"}"#, "Scripts are disabled on this agent"),
    (CHECK, r#"{"Name":"x","GRPC":"127.0.0.1:1"}"#, "Interval must be > 0"),
    (CHECK, r#"{"Name":"x","GRPC":"a\nb","Interval":"1s"}"#, "control characters are not allowed in GRPC"),
    (CHECK, r#"{"Name":"x","UDP":"a\tb","Interval":"1s"}"#, "control characters are not allowed in UDP"),
    (CHECK, r#"{"Name":"x","OSService":"-H","Interval":"1s"}"#, "no hyphen first"),
    (CHECK, r#"{"Name":"x","OSService":"a b","Interval":"1s"}"#, "the name of a unit"),
    (CHECK, r#"{"Name":"x","DockerContainerID":"c","Interval":"1s"}"#, "Docker checks are not run"),
    (
        CHECK,
        r#"{"Name":"x","UDP":"127.0.0.1:1","Interval":"1s","Watch":true}"#,
        "Watch is for HTTP and TCP checks",
    ),
    (CHECK, r#"{"Name":"x","TCP":"127.0.0.1:1","Criticality":"huge"}"#, "'critical', 'standard' or 'low'"),
    (CHECK, r#"{"Name":"x","TTL":"9s","Damping":{"HalfLife":"2h"}}"#, "between 1s and 1h"),
    (CHECK, r#"{"Name":"x","TTL":"9s","Damping":{"Suppress":100001}}"#, "at most 100000"),
    (CHECK, r#"{"Name":"x","TTL":"9s","Damping":{"Reuse":2000}}"#, "below Damping.Suppress"),
    (CHECK, r#"{"Name":"x","HTTP":"http://127.0.0.1:1","Interval":"1s","Method":"A B"}"#, "Method"),
    (
        CHECK,
        r#"{"Name":"x","HTTP":"http://127.0.0.1:1","Interval":"1s","Header":{"Content-Length":["0"]}}"#,
        "Content-Length",
    ),
    (
        CHECK,
        r#"{"Name":"x","HTTP":"http://127.0.0.1:1","Interval":"1s","Header":{"A":["b\r\nC: d"]}}"#,
        "Header",
    ),
    (CHECK, r#"{"Name":"x","TTL":"1s","OutputMaxSize":-1}"#, "MaxOutputMaxSize must be positive"),
    (CHECK, r#"{"Name":"x","TTL":"1s","Timeout":"-1s"}"#, "Timeout must not be negative"),
    (CHECK, r#"{"Name":"x","TTL":"1s","DeregisterCriticalServiceAfter":"-1s"}"#, "must not be negative"),
    (CHECK, r#"{"Name":"x","TTL":"1s","SuccessBeforePassing":-1}"#, "SuccessBeforePassing must be between 0"),
    (
        CHECK,
        r#"{"Name":"x","TTL":"1s","FailuresBeforeCritical":-1}"#,
        "FailuresBeforeCritical must be between 0",
    ),
    (CHECK, r#"{"Name":"x","TTL":"x"}"#, r#"time: invalid duration "x""#),
    (CHECK, r#"{"Name":"x","TTL":"10"}"#, r#"time: missing unit in duration "10""#),
    (CHECK, r#"{"Name":"x","TTL":"1d"}"#, r#"time: unknown unit "d" in duration "1d""#),
    (CHECK, r#"{"Name":"x","TTL":"1h-5m"}"#, "in duration"),
    (CHECK, r#"{"Name":"x","TTL":" 1s"}"#, r#"time: invalid duration " 1s""#),
    (CHECK, r#"{"Name":"x","TTL":""}"#, "TTL must be > 0 for TTL checks"),
    (CHECK, r#"{"Name":"x","TTL":"9999999h"}"#, r#"time: invalid duration "9999999h""#),
    (CHECK, r#"{"Name":"x","TTL":"1s","ServiceID":"nobody"}"#, r#"ServiceID "nobody" does not exist"#),
    (CHECK, r#"{"Name":"x","TTL":"1s","ServiceID":"a\u0000"}"#, "Invalid service ID: control characters"),
    (UPDATE, "null", "Invalid check status: ''"),
    (UPDATE, r#"{"Status":"bogus"}"#, "Invalid check status: 'bogus'"),
    (UPDATE, r#"{"Status":"maintenance"}"#, "Invalid check status: 'maintenance'"),
];

const CATALOG: Table = &[
    (REGISTER, "null", "Must provide node"),
    (REGISTER, r#"{"Address":"10.0.0.3"}"#, "Must provide node"),
    (REGISTER, r#"{"Node":"x"}"#, "Must provide address if SkipNodeUpdate is not set"),
    (REGISTER, r#"{"Node":" ","Address":"b"}"#, "Invalid node name: there is nothing in it but blanks"),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"\u3164\u2800"}}"#,
        "Invalid service name: there is nothing in it but blanks",
    ),
    (REGISTER, r#"{"Node":"a\u0000","Address":"b"}"#, "Invalid node name: control characters"),
    (REGISTER, r#"{"Node":"x","Address":"a\nb"}"#, "Invalid node address: control characters"),
    (REGISTER, r#"{"Node":"x","Address":"b","Datacenter":"mars"}"#, "No path to datacenter"),
    (REGISTER, r#"{"Node":"x","Address":"b","ID":"1"}"#, "Bad node ID: uuid string is wrong length"),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","ID":"40e4a748x2192-161a-0510-9bf59fe950bb"}"#,
        "Bad node ID: uuid is improperly formatted",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","ID":"40e4a748-2192-161a-0510-9bf59fe950bz"}"#,
        "Bad node ID: encoding/hex: invalid byte: U+007A 'z'",
    ),
    (REGISTER, r#"{"Node":"x","Address":"b","Service":{"ID":"y"}}"#, "Must provide service name with ID"),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"y\u0000"}}"#,
        "Invalid service name: control",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"y","Address":"::"}}"#,
        "Invalid service address",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"y","Port":-1}}"#,
        "must be between 0 and 65535",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"y","Kind":"bogus"}}"#,
        "Invalid service kind",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Service":{"Service":"y","Meta":{"a b":"c"}}}"#,
        "Invalid Service Meta for node x and serviceID y: Couldn't load metadata pair ('a b', 'c')",
    ),
    (REGISTER, r#"{"Node":"x","Address":"b","Check":{}}"#, "Must provide check ID or name"),
    (REGISTER, r#"{"Node":"x","Address":"b","Check":{"Name":"c","Status":"bogus"}}"#, "Bad check status"),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Check":{"Node":"z","Name":"c"}}"#,
        r#"check node "z" does not match node "x""#,
    ),
    // The node is new: it must not stay behind when its check is refused.
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Check":{"Name":"c","ServiceID":"nobody"}}"#,
        r#"Missing service registration on node "x""#,
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Checks":[{"Name":"c"},{"Name":"d","Status":"?"}]}"#,
        "Bad check status",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Check":{"Name":"c","Definition":{"Interval":"-1s"}}}"#,
        "Interval must not be negative",
    ),
    (
        REGISTER,
        r#"{"Node":"x","Address":"b","Check":{"Name":"c","Definition":{"Timeout":"soon"}}}"#,
        r#"time: invalid duration "soon""#,
    ),
    (DEREGISTER, "null", "Must provide node"),
    (DEREGISTER, r#"{"ServiceID":"db"}"#, "Must provide node"),
    (DEREGISTER, r#"{"Node":"n2","Datacenter":"mars"}"#, "No path to datacenter"),
];

/// Brackets without end, where a reader that recurses would run out of stack.
fn nested() -> Vec<Row> {
    let lists = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let within = |key: &str, value: String| format!(r#"{{"Name":"x","Proxy":{{"{key}":{value}}}}}"#);
    vec![
        refused(SERVICE, "[".repeat(NESTED_LEVELS), "Request decode failed"),
        refused(SERVICE, r#"{"a":"#.repeat(NESTED_LEVELS), "Request decode failed: unexpected EOF"),
        refused(SERVICE, lists(NESTED_LEVELS), "Request decode failed"),
        refused(SERVICE, format!(r#"{{"Name":{}}}"#, lists(NESTED_LEVELS)), "Request decode failed"),
        refused(SERVICE, format!(r#"{{"Tags":{}}}"#, lists(NESTED_LEVELS)), "Request decode failed"),
        refused(SERVICE, format!(r#"{{"Meta":{}}}"#, objects(NESTED_LEVELS)), "Request decode failed"),
        refused(SERVICE, within("Config", objects(NESTED_LEVELS)), "nested deeper than 32 levels"),
        refused(
            SERVICE,
            within("Config", format!(r#"{{"a":{}}}"#, lists(NESTED_LEVELS))),
            "nested deeper than 32 levels",
        ),
        refused(SERVICE, within("Upstreams", lists(NESTED_LEVELS)), "Request decode failed"),
        refused(CHECK, lists(NESTED_LEVELS), "Request decode failed"),
        refused(UPDATE, objects(NESTED_LEVELS), "nested deeper than 32 levels"),
        refused(REGISTER, lists(NESTED_LEVELS), "Request decode failed"),
        refused(REGISTER, objects(NESTED_LEVELS), "nested deeper than 32 levels"),
        refused(DEREGISTER, objects(NESTED_LEVELS), "nested deeper than 32 levels"),
        refused(
            SERVICE,
            format!(r#"{{"Name":"x","Bogus":{}}}"#, lists(NESTED_LEVELS)),
            "nested deeper than 32 levels",
        ),
        refused(
            CHECK,
            format!(r#"{{"Name":"x","TTL":{}}}"#, lists(NESTED_LEVELS)),
            "nested deeper than 32 levels",
        ),
    ]
}

/// Bytes that are no text.
fn bytes() -> Vec<Row> {
    vec![
        refused(SERVICE, b"\xff\xfe{\x00}\x00", "looking for beginning of value"),
        refused(SERVICE, b"{\"Name\":\"a\xff", "Request decode failed: unexpected EOF"),
        refused(SERVICE, b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "looking for beginning of value"),
        refused(SERVICE, [0u8; 1000], r"invalid character '\x00' looking for beginning of value"),
        refused(
            SERVICE,
            b"{\"Name\":\"x\",\"Meta\":{\"\xff\":\"c\"}}",
            "the body is not UTF-8 from its byte",
        ),
        refused(SERVICE, b"{\"Name\":\"a\xffb\"}", "the body is not UTF-8 from its byte 10 on"),
        refused(UPDATE, b"{\"Status\":\"passing\",\"Output\":\"\xc3\x28\"}", "the body is not UTF-8"),
        refused(SERVICE, r#"{"Name":"x","Meta":{"\ud800":"c"}}"#, ""),
    ]
}

/// What is odd and yet has a meaning that all agree on, so it is taken.
fn odd() -> Vec<Row> {
    let stored = |target: &str, body: &[u8]| Row::stored("an odd body", put(target, body));
    let unknown = format!(r#"{{"Name":"x","Bogus":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    vec![
        stored(SERVICE, b"{\"Name\":\"x\"}\r\n\t "),
        stored(SERVICE, br#"{"Name":"y","Name":"x","NAME":"z"}"#),
        stored(SERVICE, br#"{"Name":"x","Check":null,"Checks":null,"Tags":null,"Meta":null,"Port":null}"#),
        stored(SERVICE, "{\"Name\":\"../../x?y#z%2F\u{644}\u{1F984}\"}".as_bytes()),
        stored(SERVICE, br#"{"Name":"<script>alert(1)</script>","Tags":["\"><img>"]}"#),
        // Keys nobody knows are passed over, up to the depth of what is read.
        stored(SERVICE, unknown.as_bytes()),
        // The longest spans there are: adding them to a clock must not overflow.
        stored(SERVICE, br#"{"Name":"x","Check":{"TTL":"2562047h47m16.854775807s"}}"#),
        stored(CHECK, br#"{"Name":"x","TTL":9223372036854775807}"#),
        stored(CHECK, br#"{"Name":"x","TTL":1e30}"#),
        stored(CHECK, br#"{"Name":"x","TCP":"127.0.0.1:1","Interval":"2562047h","Timeout":"2562047h"}"#),
        stored(
            SERVICE,
            br#"{"Name":"x","Check":{"TTL":"2562047h","DeregisterCriticalServiceAfter":"2562047h"}}"#,
        ),
        stored(REGISTER, br#"{"Node":"x","Address":"no address at all"}"#),
        stored(REGISTER, br#"{"Node":"x","SkipNodeUpdate":true}"#),
        stored(SERVICE, "{\"Name\":\"x\u{3000}y z\"}".as_bytes()),
    ]
}
