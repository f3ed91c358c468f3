-- Load for the example server: places orders and pays each, so that no more are open than are on
-- their way, and memory has no reason to grow.
--
--   cargo run --release --example server -- --database /tmp/orders.sqlite3 2> server.log
--   wrk -t 2 -c 64 -d 30 -s executor/examples/server/orders.lua http://127.0.0.1:8080
--
-- Given a file's name after `--`, it writes there the id of each order that was acknowledged, one a
-- line, to be compared with the database after SIGTERM in the middle:
--
--   wrk -t 1 -c 64 -d 30 -s orders.lua http://127.0.0.1:8080 -- acknowledged.txt

local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

function init(arguments)
    sent, created, paid, failed = 0, 0, 0, 0
    unpaid = {}
    if arguments[1] then
        acknowledged = io.open(arguments[1] .. (number > 0 and "." .. number or ""), "w")
    end
end

function request()
    sent = sent + 1
    local id = number .. "-" .. sent
    local headers = { ["x-request-id"] = "r-" .. id, ["x-tenant"] = "t-" .. id }
    local order = table.remove(unpaid)
    if order then
        return wrk.format("POST", "/orders/" .. order .. "/pay", headers)
    end
    local body = '{"customer": "c-' .. id .. '", "items": [{"sku": "A-1", "quantity": 2}, '
        .. '{"sku": "B-2", "quantity": 1}]}'
    return wrk.format("POST", "/orders", headers, body)
end

function response(status, headers, body)
    local order = body:match('"id":(%d+)')
    if status == 201 then
        created = created + 1
        table.insert(unpaid, order)
        if acknowledged then
            acknowledged:write(order, "\n")
            acknowledged:flush()
        end
    elseif status == 200 then
        paid = paid + 1
    else
        failed = failed + 1
    end
end

function done(summary, latency, requests)
    local created, paid, failed = 0, 0, 0
    for _, thread in ipairs(threads) do
        created = created + thread:get("created")
        paid = paid + thread:get("paid")
        failed = failed + thread:get("failed")
    end
    print(string.format("orders placed: %d, paid: %d, other replies: %d", created, paid, failed))
end
