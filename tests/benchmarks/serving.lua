-- What wrk sends to `adrec serve`: questions about users drawn at random from a file with one id a line.
--
--   wrk -t1 -c16 -d10 --latency -s tests/benchmarks/serving.lua http://127.0.0.1:8000/recommend -- users.txt

local users = {}

function init(arguments)
  for user in io.lines(arguments[1]) do
    users[#users + 1] = user
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  return wrk.format(nil, nil, nil, '{"user": "' .. users[math.random(#users)] .. '", "k": 10}')
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    "%.0f requests/s, p50 %.1f ms, p99 %.1f ms; %d requests, %d not answered with 2xx, %d failed",
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
