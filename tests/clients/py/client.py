"""py-consul, unchanged, through the life of one service.

Usage: client.py register|verify|watch|critical|passing|deregister|all
See tests/clients/README.md for what each phase does and prints.
"""

import os
import sys
import threading
import time

import requests
from consul import Check, Consul
from consul.exceptions import ConsulException

NAME = "clients-py"
INSTANCE = "clients-py-1"
CHECK = "service:clients-py-1"
TAGS = ["blue", "v1"]
META = {"client": "py-consul"}
# Far longer than a run: the check must change only when this script says so.
TTL = "600s"
# A blocking query that waits this long without the change has missed it.
WAIT = "30s"
# Between two attempts while the server is away.
RETRY_SECONDS = 0.1
# Gives the blocking query time to be parked before the change; its answer must come after the change all the same.
CHANGE_AFTER_SECONDS = 0.3

consul = Consul()


def expect(what, holds, saw):
    if not holds:
        print(f"FAILED: {what}: saw {saw!r}", flush=True)
        os._exit(1)  # from whichever thread this is
    print(f"ok: {what}", flush=True)


def state_of(instances):
    """What the watcher reports: absent, or the worst status among the instance's checks."""
    statuses = [check["Status"] for instance in instances for check in instance["Checks"]]
    if not instances:
        return "absent"
    return next((status for status in ("critical", "warning") if status in statuses), "passing")


def state(**options):
    return state_of(consul.health.service(NAME, **options)[1])


def register():
    accepted = consul.agent.service.register(
        NAME, service_id=INSTANCE, address="127.0.0.1", port=8080, tags=TAGS, meta=META, check=Check.ttl(TTL)
    )
    expect("service is registered", accepted is True, accepted)
    expect("a TTL check starts critical", state() == "critical", state())
    expect("?passing leaves it out", state(passing=True) == "absent", state(passing=True))
    passing()
    verify()


def verify():
    consul.agent.self()["Config"]["NodeName"]
    service = consul.agent.services().get(INSTANCE, {})
    seen = (service.get("Service"), service.get("Tags"), service.get("Meta"), service.get("Port"))
    expect("agent/services shows it", seen == (NAME, TAGS, META, 8080), service)
    check = consul.agent.checks().get(CHECK, {})
    expect("agent/checks shows its check passing", check.get("Status") == "passing", check)
    index, services = consul.catalog.services()
    expect("catalog/services lists it with its tags", sorted(services.get(NAME, [])) == TAGS, services)
    expect("catalog/services has an index", int(index) > 0, index)
    _, nodes = consul.catalog.service(NAME, tag="blue")
    seen = [(node["ServiceID"], node["ServiceAddress"], node["ServicePort"]) for node in nodes]
    expect("catalog/service finds it by tag", seen == [(INSTANCE, "127.0.0.1", 8080)], nodes)
    node = consul.catalog.node(nodes[0]["Node"])[1]
    expect("catalog/node shows it", INSTANCE in node["Services"], node)
    _, checks = consul.health.checks(NAME)
    expect("health/checks has its one check", [check["CheckID"] for check in checks] == [CHECK], checks)
    _, checks = consul.health.state("passing")
    expect("health/state/passing has its check", CHECK in [check["CheckID"] for check in checks], checks)
    _, instances = consul.health.service(NAME, passing=True, filter_expr='Service.Meta.client == "py-consul"')
    expect("health/service?passing&filter finds it", state_of(instances) == "passing", instances)


def critical():
    expect("the TTL check fails", consul.agent.check.ttl_fail(CHECK, notes="out of order") is True, False)
    _, checks = consul.health.checks(NAME)
    expect("its note is the output", [check["Output"] for check in checks] == ["out of order"], checks)
    expect("health/service shows it critical", state() == "critical", state())
    expect("?passing leaves it out", state(passing=True) == "absent", state(passing=True))


def passing():
    expect("the TTL check passes", consul.agent.check.ttl_pass(CHECK, notes="fine") is True, False)
    expect("?passing shows it", state(passing=True) == "passing", state(passing=True))


def deregister():
    expect("service is deregistered", consul.agent.service.deregister(INSTANCE) is True, False)
    expect("it is gone from health/service", state() == "absent", state())
    expect("it is gone from agent/services", INSTANCE not in consul.agent.services(), "present")
    expect("its check is gone", CHECK not in consul.agent.checks(), "present")
    _, services = consul.catalog.services()
    expect("it is gone from catalog/services", NAME not in services, services)


def sees(change, expected):
    """Parks a blocking query, makes `change` meanwhile, and wants the query to answer with `expected` after it."""
    index, _ = consul.health.service(NAME)
    changed_at = []

    def make_change():
        changed_at.append(time.monotonic())
        change()

    timer = threading.Timer(CHANGE_AFTER_SECONDS, make_change)
    timer.start()
    newer, instances = consul.health.service(NAME, index=index, wait=WAIT)
    answered_at = time.monotonic()
    timer.join()
    expect("the blocking query waited for the change", answered_at >= changed_at[0], changed_at[0] - answered_at)
    expect(f"the blocking query saw {expected}", state_of(instances) == expected, instances)
    expect("its index moved on", int(newer) > int(index), (index, newer))
    print(f"took: {(answered_at - changed_at[0]) * 1000:.1f} ms from the change to the answer", flush=True)


def everything():
    sees(register, "critical")
    sees(critical, "critical")
    sees(passing, "passing")
    sees(deregister, "absent")


def watch():
    """Follows the service by blocking queries over any outage, one line a change, until standard input closes."""
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    sys.stdin.read()


def follow():
    index, seen = None, None
    while True:
        try:
            index, instances = consul.health.service(NAME, index=index, wait="60s")
        except (ConsulException, requests.RequestException) as error:
            print(f"away: {error}", file=sys.stderr, flush=True)
            index = None
            time.sleep(RETRY_SECONDS)
            continue
        if state_of(instances) != seen:
            seen = state_of(instances)
            print(f"saw {seen}", flush=True)


PHASES = {
    "register": register,
    "verify": verify,
    "watch": watch,
    "critical": critical,
    "passing": passing,
    "deregister": deregister,
    "all": everything,
}

if __name__ == "__main__":
    PHASES[sys.argv[1]]()
