// The npm package `consul`, unchanged, through the life of one service.
//
// Usage: client.js register|verify|watch|critical|passing|deregister|all
// See tests/clients/README.md for what each phase does and prints.
"use strict";

const path = require("node:path");
const { isDeepStrictEqual } = require("node:util");

// The package is installed below target/, not beside this file.
const { CONSUL_HTTP_ADDR, CLIENTS_JS_MODULES = path.join(__dirname, "../../../target/clients/js/node_modules") } =
  process.env;
const Consul = require(path.join(CLIENTS_JS_MODULES, "consul"));

const NAME = "clients-js";
const INSTANCE = "clients-js-1";
const CHECK = "service:clients-js-1";
const TAGS = ["blue", "v1"];
const META = { client: "npm-consul" };
// Far longer than a run: the check must change only when this script says so.
const TTL = "600s";
// A watch that has not reported the change by then has missed it.
const WATCH_DEADLINE_MS = 30000;

const { hostname, port } = new URL(CONSUL_HTTP_ADDR);
const consul = new Consul({ host: hostname, port });

function expect(what, holds, saw) {
  if (!holds) {
    console.log(`FAILED: ${what}: saw ${JSON.stringify(saw)}`);
    process.exit(1);
  }
  console.log(`ok: ${what}`);
}

function expectEqual(what, saw, wanted) {
  expect(what, isDeepStrictEqual(saw, wanted), saw);
}

/** What the watcher reports: absent, or the worst status among the instance's checks. */
function stateOf(instances) {
  if (instances.length === 0) return "absent";
  const statuses = instances.flatMap((instance) => instance.Checks.map((check) => check.Status));
  return ["critical", "warning"].find((status) => statuses.includes(status)) ?? "passing";
}

async function state(options) {
  return stateOf(await consul.health.service({ service: NAME, ...options }));
}

async function register() {
  await consul.agent.service.register({
    name: NAME,
    id: INSTANCE,
    address: "127.0.0.1",
    port: 8080,
    tags: TAGS,
    meta: META,
    check: { ttl: TTL, deregistercriticalserviceafter: "24h" },
  });
  expectEqual("a TTL check starts critical", await state(), "critical");
  expectEqual("?passing leaves it out", await state({ passing: true }), "absent");
  await passing();
  await verify();
}

async function verify() {
  const service = (await consul.agent.service.list())[INSTANCE] ?? {};
  const { Service, Tags, Meta, Port } = service;
  expectEqual("agent/services shows it", [Service, Tags, Meta, Port], [NAME, TAGS, META, 8080]);
  const check = (await consul.agent.check.list())[CHECK] ?? {};
  expectEqual("agent/checks shows its check passing", check.Status, "passing");
  const services = await consul.catalog.service.list();
  expectEqual("catalog/services lists it with its tags", [...(services[NAME] ?? [])].sort(), TAGS);
  const nodes = await consul.catalog.service.nodes({ service: NAME, tag: "blue" });
  const seen = nodes.map((node) => [node.ServiceID, node.ServiceAddress, node.ServicePort]);
  expectEqual("catalog/service finds it by tag", seen, [[INSTANCE, "127.0.0.1", 8080]]);
  const node = await consul.catalog.node.services(nodes[0].Node);
  expect("catalog/node shows it", INSTANCE in node.Services, node);
  const checks = await consul.health.checks(NAME);
  expectEqual("health/checks has its one check", checks.map((check) => check.CheckID), [CHECK]);
  const all = await consul.health.state("passing");
  expect("health/state/passing has its check", all.some((check) => check.CheckID === CHECK), all);
  const filter = 'Service.Meta.client == "npm-consul"';
  expectEqual("health/service?passing&filter finds it", await state({ passing: true, filter }), "passing");
}

async function critical() {
  await consul.agent.check.fail({ id: CHECK, note: "out of order" });
  const outputs = (await consul.health.checks(NAME)).map((check) => check.Output);
  expectEqual("the note of the failed TTL check is its output", outputs, ["out of order"]);
  expectEqual("health/service shows it critical", await state(), "critical");
  expectEqual("?passing leaves it out", await state({ passing: true }), "absent");
}

async function passing() {
  await consul.agent.check.pass({ id: CHECK, note: "fine" });
  expectEqual("?passing shows it once its check passes", await state({ passing: true }), "passing");
}

async function deregister() {
  await consul.agent.service.deregister(INSTANCE);
  expectEqual("it is gone from health/service", await state(), "absent");
  expect("it is gone from agent/services", !(INSTANCE in (await consul.agent.service.list())), "present");
  expect("its check is gone", !(CHECK in (await consul.agent.check.list())), "present");
  expect("it is gone from catalog/services", !(NAME in (await consul.catalog.service.list())), "present");
}

/** The package's own watch on the service; `seen` is called with each state that differs from the one before. */
function follow(seen) {
  const watch = consul.watch({
    method: consul.health.service,
    options: { service: NAME, wait: "60s" },
    backoffFactor: 50,
    backoffMax: 500,
  });
  let last;
  watch.on("change", (instances) => {
    if (stateOf(instances) === last) return;
    last = stateOf(instances);
    seen(last);
  });
  watch.on("error", (error) => console.error(`away: ${error.message}`));
  return watch;
}

/** Each change, made by this client, is reported by its own watch. */
async function everything() {
  let arrived = () => {};
  const states = [];
  const watch = follow((state) => {
    states.push({ state, at: performance.now() });
    arrived();
  });

  // A watch may skip a state that did not last: what it must report is the state things came to.
  const reported = async (wanted, changedAt) => {
    const missed = () => expect(`the watch saw ${wanted}`, false, states);
    const deadline = setTimeout(missed, WATCH_DEADLINE_MS);
    while (!states.some(({ state }) => state === wanted)) await new Promise((resolve) => (arrived = resolve));
    clearTimeout(deadline);
    const { at } = states.find(({ state }) => state === wanted);
    states.length = 0;
    console.log(`ok: the watch saw ${wanted}`);
    console.log(`took: ${(at - changedAt).toFixed(1)} ms from before the change to the watch's report`);
  };

  await reported("absent", performance.now());
  const steps = [
    [register, "passing"],
    [critical, "critical"],
    [passing, "passing"],
    [deregister, "absent"],
  ];
  for (const [change, wanted] of steps) {
    const changedAt = performance.now();
    await change();
    await reported(wanted, changedAt);
  }
  watch.end();
  consul.destroy();
}

/** Follows the service over any outage, one line a change, until standard input closes. */
async function watch() {
  follow((state) => console.log(`saw ${state}`));
  process.stdin.resume().on("end", () => process.exit(0));
}

const phases = { register, verify, watch, critical, passing, deregister, all: everything };
phases[process.argv[2]]().catch((error) => expect(process.argv[2], false, error.stack));
