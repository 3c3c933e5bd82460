#!/usr/bin/env bash
# The HTTP API by curl alone, through the life of one service.
#
# Usage: tour.sh register|verify|watch|critical|passing|deregister|all
# See tests/clients/README.md for what each phase does and prints.
set -euo pipefail

readonly API="$CONSUL_HTTP_ADDR/v1"
readonly NAME=clients-curl ID=clients-curl-1 CHECK=service:clients-curl-1
readonly SERVICE='{
  "ID": "clients-curl-1", "Name": "clients-curl", "Address": "127.0.0.1", "Port": 8080,
  "Tags": ["blue", "v1"], "Meta": {"client": "curl"},
  "Check": {"TTL": "600s"}
}'
# Gives the blocking query time to be parked before the change; its answer must come after the change all the same.
readonly CHANGE_AFTER_SECONDS=0.3
# Between two attempts of the watcher while the server is away.
readonly RETRY_SECONDS=0.1

get() { curl -sS --fail-with-body --max-time 90 -G "$API$1" "${@:2}" | tr -d ' \n'; }
put() { curl -sS --fail-with-body --max-time 10 -X PUT "$API$1" "${@:2}"; }
now_ms() { date +%s%3N; }

fail() {
    echo "FAILED: $1: saw $2"
    exit 1
}

# has WHAT JSON TEXT...: the compact JSON holds each text. hasnt: it holds none of them.
has() {
    local text
    for text in "${@:3}"; do [[ "$2" == *"$text"* ]] || fail "$1" "$2"; done
    echo "ok: $1"
}
hasnt() {
    local text
    for text in "${@:3}"; do [[ "$2" != *"$text"* ]] || fail "$1" "$2"; done
    echo "ok: $1"
}
# is WHAT SAW WANTED
is() {
    [[ "$2" == "$3" ]] || fail "$1" "$2"
    echo "ok: $1"
}

# What a health/service answer comes to: absent, critical or passing.
state_of() {
    case "$1" in
    '[]') echo absent ;;
    *'"Status":"critical"'*) echo critical ;;
    *) echo passing ;;
    esac
}

# The index among response headers.
index_in() { awk -F': ' 'tolower($1) == "x-consul-index" { print $2 + 0 }'; }
index() { curl -sS --fail --max-time 10 -o /dev/null -D - "$API/health/service/$NAME" | index_in; }

register() {
    is "registering answers with an empty body" "$(put /agent/service/register -d "$SERVICE")" ""
    is "a TTL check starts critical" "$(state_of "$(get "/health/service/$NAME")")" critical
    is "?passing leaves it out" "$(get "/health/service/$NAME" -d passing)" "[]"
    passing
    verify
}

verify() {
    has "agent/services shows it" "$(get /agent/services)" "\"$ID\":{" '"Tags":["blue","v1"]' '"client":"curl"'
    has "agent/service reads it" "$(get "/agent/service/$ID")" "\"Service\":\"$NAME\"" '"ContentHash":"'
    has "agent/checks shows its check" "$(get /agent/checks)" "\"$CHECK\":{"
    has "catalog/services lists it" "$(get /catalog/services)" "\"$NAME\":["
    has "catalog/service finds it by both tags" \
        "$(get "/catalog/service/$NAME" -d tag=blue -d tag=v1)" '"ServiceAddress":"127.0.0.1"' '"ServicePort":8080'
    is "catalog/service finds none by another tag" "$(get "/catalog/service/$NAME" -d tag=green)" "[]"
    has "health/checks has its check" "$(get "/health/checks/$NAME")" "\"CheckID\":\"$CHECK\"" '"Type":"ttl"'
    has "health/service?filter finds it by its meta" \
        "$(get "/health/service/$NAME" -d passing=true --data-urlencode 'filter=Service.Meta.client == "curl"')" \
        "\"ID\":\"$ID\""
    is "agent/health answers in one word" "$(curl -sS "$API/agent/health/service/id/$ID?format=text")" passing
    has "status/leader knows a leader" "$(get /status/leader)" :
    has "catalog/datacenters lists its own" "$(get /catalog/datacenters)" '"dc1"'
}

critical() {
    put "/agent/check/fail/$CHECK?note=out%20of%20order"
    has "the note is the output" "$(curl -sS "$API/health/checks/$NAME")" "out of order"
    is "?passing leaves it out" "$(get "/health/service/$NAME" -d passing)" "[]"
    local status
    status=$(curl -sS -o /dev/null -w '%{http_code}' "$API/agent/health/service/id/$ID")
    is "agent/health answers 503" "$status" 503
}

passing() {
    put "/agent/check/update/$CHECK" -d '{"Status": "passing", "Output": "fine"}'
    is "?passing shows it" "$(state_of "$(get "/health/service/$NAME" -d passing)")" passing
}

deregister() {
    put "/agent/service/deregister/$ID"
    is "it is gone from health/service" "$(get "/health/service/$NAME")" "[]"
    hasnt "it is gone from agent/services" "$(get /agent/services)" "\"$ID\""
    hasnt "its check is gone" "$(get /agent/checks)" "\"$CHECK\""
    hasnt "it is gone from catalog/services" "$(get /catalog/services)" "\"$NAME\""
}

# sees PHASE STATE: a blocking query parked before the phase answers after it began, with that state.
sees() {
    local from answered began at changing
    from=$(index)
    began=$(mktemp)
    {
        sleep "$CHANGE_AFTER_SECONDS"
        now_ms >"$began"
        "$1"
    } &
    changing=$!
    answered=$(get "/health/service/$NAME" -d "index=$from" -d wait=30s)
    at=$(now_ms)
    [[ -s "$began" ]] || fail "the blocking query waited for the change" "$answered"
    wait "$changing"
    echo "ok: the blocking query waited for the change"
    is "the blocking query saw $2" "$(state_of "$answered")" "$2"
    echo "took: $((at - $(<"$began"))) ms from the change to the answer"
    rm "$began"
    (($(index) > from)) || fail "the index moves on" "$from"
}

all() {
    sees register critical
    sees critical critical
    sees passing passing
    sees deregister absent
}

# Follows the service by blocking queries over any outage, one line a change, until standard input closes.
watch() {
    follow &
    local follower=$!
    cat >/dev/null
    kill "$follower"
    wait "$follower" || true
}

follow() {
    local from=0 seen="" state answer
    answer=$(mktemp)
    trap 'kill $(jobs -p) 2>/dev/null; rm -f "$answer" "$answer.head"; exit' TERM
    while true; do
        curl -sS --fail --max-time 90 -D "$answer.head" -o "$answer" "$API/health/service/$NAME?index=$from&wait=60s" &
        if ! wait $!; then
            from=0
            sleep "$RETRY_SECONDS"
            continue
        fi
        from=$(index_in <"$answer.head")
        state=$(state_of "$(tr -d ' \n' <"$answer")")
        [[ "$state" == "$seen" ]] || echo "saw $state"
        seen=$state
    done
}

case "${1:-}" in
register | verify | watch | critical | passing | deregister | all) "$1" ;;
*) fail usage "register|verify|watch|critical|passing|deregister|all" ;;
esac
