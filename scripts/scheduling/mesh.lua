-- Pieces flow both ways: of equals the least busy ones, near ones before far ones. A peer is answered with four
-- parents, and four places are left for peers that come later, so that those who come first are not fed by the seed
-- alone. What the seed sends is then mostly sent once.
--
-- Dragonfly's formula, whose peers form a graph without cycles, is beside it: dragonfly.lua.

local NEAR_IDC <const>, NEAR_LOCATION <const> = 0.25, 0.15
local HAS <const>, FREE <const> = 0.2, 0.4

local function rank(c, s)
    local idc, location, had, total = c.idc_match, c.location_match, c.pieces_had, c.pieces_total
    local uploads, failures = c.uploads, c.failures
    local scores = {}
    for i = 1, s.count do
        local has, all = had[i], total[i] -- pieces of the task; it counts as half where nobody knows how many
        local part = all <= 0 and 0.5 or has >= all and 1 or has / all
        scores[i] = NEAR_IDC * idc[i]
            + NEAR_LOCATION * location[i]
            + HAS * part
            + FREE / (1 + uploads[i] + failures[i])
    end
    return scores
end

return {
    name = "mesh",
    needs = { "idc_match", "location_match", "pieces_had", "pieces_total", "uploads", "failures" },
    acyclic = false,
    sample = 40,
    keep = 8,
    newcomers = 4,
    rank = rank,
    tests = {
        { "nobody has anything yet", c = { pieces_had = { 0 } }, scores = { 0.5 } },
        { "all, half, none of it", c = { pieces_had = { 8, 4, 0 }, pieces_total = { 8, 8, 8 } },
          scores = { 0.6, 0.5, 0.4 } },
        { "the free one before the busy one", c = { uploads = { 3, 0, 1 } }, order = { 2, 3, 1 } },
        { "who fails is as one who is busy", c = { failures = { 1 }, uploads = { 2 } }, scores = { 0.2 } },
        { "near before free", c = { idc_match = { 0, 1 }, location_match = { 0, 1 }, uploads = { 0, 9 } }, order = { 2, 1 } },
        { "a neighbour before a stranger who has more",
          c = { idc_match = { 0, 1 }, pieces_had = { 8, 0 }, pieces_total = { 8, 8 } }, order = { 2, 1 } },
    },
}
