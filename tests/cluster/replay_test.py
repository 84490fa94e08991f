"""One side of what Dragonfly's own parts said to each other is played, the other is Darter: what its daemons said to its
scheduler is said to ours, what its scheduler and daemons answered is answered to our daemon."""

from fixture import deadline
from replay import LENGTH, NEED_BACK_TO_SOURCE, NETWORK, NodeReplay, RecordedDaemons, SeedReplay


class TheirDaemons(RecordedDaemons):
    """Dragonfly's seed and nodes p1 and p2 with our scheduler, which restarts where theirs did."""

    @deadline(60)
    def test_managed(self):
        self.replay("managed")

    @deadline(60)
    def test_managerless(self):
        self.replay("managerless")


class OurNode(NodeReplay):
    """Our daemon in the place of theirs."""

    @deadline(60)
    def test_from_the_seed(self):
        self.from_parents("managed", 11, "p1", {f"{NETWORK}.10"})

    @deadline(60)
    def test_from_two_parents(self):
        self.from_parents("managerless", 12, "p2", {f"{NETWORK}.10", f"{NETWORK}.11"})

    @deadline(60)
    def test_from_the_origin(self):
        call = self.peer_call("managed", 11, NEED_BACK_TO_SOURCE)
        self.serve_scheduler(call)
        self.start_daemon("p1", 11)
        self.download("/f/managedprio/numbers.txt", "X-Dragonfly-Priority: 3")
        self.expect_said(call)
        self.assertEqual(self.web.sent, LENGTH)


class OurSeed(SeedReplay):
    """Our daemon is triggered by their scheduler, then their nodes take pieces from it."""

    @deadline(60)
    def test_managed(self):
        self.replay("managed")

    @deadline(60)
    def test_managerless(self):
        self.replay("managerless")
