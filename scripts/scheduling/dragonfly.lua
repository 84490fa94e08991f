-- Dragonfly's parent choice since v2.4: the load booked on the parent's host, labels, kind of host.
-- The built-in formula (core/brain/rank_dragonfly.c) is the same; how a policy is written: core/policy/policy.h.

local PIECE_RATE = 16 * 1024 * 1024 -- bytes/s that one concurrent piece is taken to need
local HORIZON = 60 -- seconds; outstanding bytes that take longer count as full load

local function peak(max, tx)
    if tx >= max then
        return 0
    end
    return 1 - tx / max
end

local function duration(max, bytes)
    if bytes <= 0 then
        return 1
    end
    local ratio = bytes * 8 / max / HORIZON
    return ratio >= 1 and 0 or 1 - ratio
end

local function concurrency(max, pieces)
    local need = max / PIECE_RATE / 8
    if need <= 1 then
        return 0
    end
    if pieces <= 0 then
        return 1
    end
    local ratio = pieces / need
    return ratio <= 1 and 1 or 1 / ratio
end

local function load_of(max, tx, bytes, pieces)
    if not max or max <= 0 then -- not announced
        return 0
    end
    return 0.5 * peak(max, tx) + 0.3 * duration(max, bytes) + 0.2 * concurrency(max, pieces)
end

local RECEIVED, RUNNING = STATE.ReceivedNormal, STATE.Running

local function host_kind(kind, state)
    if kind == 0 then
        return 0.5
    end
    return (state == RECEIVED or state == RUNNING) and 1 or 0
end

local function rank(c, s)
    local max_tx, tx, bytes, pieces = c.max_tx, c.tx, c.outstanding_bytes, c.outstanding_pieces
    local idc, location, kind, state = c.idc_match, c.location_match, c.host_type, c.state
    local scores = {}
    for i = 1, s.count do
        scores[i] = 0.6 * load_of(max_tx[i], tx[i], bytes[i], pieces[i])
            + 0.2 * idc[i]
            + 0.1 * location[i]
            + 0.1 * host_kind(kind[i], state[i])
    end
    return scores
end

local MAX = 1280 * 1024 * 1024 * 8 -- bits/s: a host that 80 concurrent pieces fill

return {
    name = "dragonfly",
    needs = {
        "max_tx", "tx", "outstanding_bytes", "outstanding_pieces",
        "idc_match", "location_match", "host_type", "state",
    },
    acyclic = true,
    rank = rank,
    tests = {
        { "idle, unknown, not a number", c = { max_tx = { MAX, 0, 0/0 } }, scores = { 0.65, 0.05, 0.05 } },
        { "peak: half, full, over", c = { max_tx = { MAX, MAX, MAX }, tx = { MAX / 2, MAX, 2 * MAX } },
          scores = { 0.5, 0.35, 0.35 } },
        { "duration: 15 s, 60 s", c = { max_tx = { MAX, MAX }, outstanding_bytes = { MAX / 8 * 15, MAX / 8 * 60 } },
          scores = { 0.605, 0.47 } },
        { "concurrency: at the need, twice it", c = { max_tx = { MAX, MAX }, outstanding_pieces = { 80, 160 } },
          scores = { 0.65, 0.59 } },
        { "concurrency: a host of one piece", c = { max_tx = { PIECE_RATE * 8 } }, scores = { 0.53 } },
        { "labels", c = { idc_match = { 0, 1, 0 }, location_match = { 0.4, 0.4, 1 } }, scores = { 0.09, 0.29, 0.15 } },
        { "seeds", c = { host_type = { 1, 1, 1, 1 },
                         state = { RUNNING, RECEIVED, STATE.BackToSource, STATE.Succeeded } },
          scores = { 0.1, 0.1, 0, 0 } },
        { "a free neighbour before a busy one before a stranger",
          c = { max_tx = { 0, MAX, MAX }, tx = { 0, MAX, 0 }, idc_match = { 0, 1, 1 } }, order = { 3, 2, 1 } },
    },
}
