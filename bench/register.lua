-- Durable registrations: 5,000 instances a thread, each registered again and again with something changed.
local thread_number = 0
function setup(thread)
  thread:set("number", thread_number)
  thread_number = thread_number + 1
end
function init(args)
  prefix = args[1] or "run"
  sent = 0
end
function request()
  sent = sent + 1
  local id = prefix .. "-" .. number .. "-" .. (sent % 5000)
  local body = '{"ID":"' .. id .. '","Name":"bench-' .. (sent % 50) .. '","Address":"10.0.0.1","Port":' ..
    (1024 + sent % 60000) .. ',"Tags":["bench","v' .. sent .. '"],"Meta":{"version":"1"}}'
  return wrk.format("PUT", "/v1/agent/service/register", { ["Content-Type"] = "application/json" }, body)
end
function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, failed, latency:percentile(99)))
end
