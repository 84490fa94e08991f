-- Dragonfly's choice of a cluster for a peer: what of the cluster's scopes fits the peer, by weight. No cluster is
-- left out, and equal scores go by id: the peer takes the first cluster that has a healthy scheduler.
-- The built-in formula (core/brain/scope_rank.c) is the same; how a policy is written: core/policy/policy.h.

local CIDR, HOSTNAME, IDC, LOCATION, DEFAULT = 0.30, 0.30, 0.25, 0.14, 0.01

local function rank(c, s)
    local cidr, hostname, idc, location, default = c.cidr, c.hostname, c.idc_match, c.location_match, c.is_default
    local scores = {}
    for i = 1, s.count do
        scores[i] = CIDR * cidr[i]
            + HOSTNAME * hostname[i]
            + IDC * idc[i]
            + LOCATION * location[i]
            + DEFAULT * default[i]
    end
    return scores
end

return {
    name = "dragonfly",
    needs = { "cidr", "hostname", "idc_match", "location_match", "is_default" },
    rank = rank,
    tests = {
        { "nothing fits: the default one", c = { is_default = { 0, 1 } }, scores = { 0, 0.01 } },
        { "network and host name weigh the same", c = { cidr = { 1, 0 }, hostname = { 0, 1 } }, scores = { 0.3, 0.3 } },
        { "idc", c = { idc_match = { 1 } }, scores = { 0.25 } },
        { "location: all, two elements, none", c = { location_match = { 1, 0.4, 0 } }, scores = { 0.14, 0.056, 0 } },
        { "everything", c = { cidr = { 1 }, hostname = { 1 }, idc_match = { 1 }, location_match = { 1 }, is_default = { 1 } },
          scores = { 1 } },
        { "network before idc before location before default",
          c = { is_default = { 1, 0, 0, 0 }, location_match = { 0, 0.2, 0, 0 }, idc_match = { 0, 0, 1, 0 }, cidr = { 0, 0, 0, 1 } },
          order = { 4, 3, 2, 1 } },
        { "two weaker ones outweigh a stronger one",
          c = { cidr = { 1, 0 }, idc_match = { 0, 1 }, location_match = { 0, 1 } }, order = { 2, 1 } },
    },
}
