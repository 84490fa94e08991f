"""The play of one cluster: one image, pulled without Darter, through it, and through it again on a second node.

    show.py --folder FOLDER [--darter BINARY] [--keep]

Without --darter only the pull without Darter is shown.
"""

from stage import Stage, main, mb
from lab.darter import Daemon, Scheduler
from lab.wait import until


class Show(Stage):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.scheduler_node = self.lab.node("scheduler", 11)
        self.seed_node = self.lab.node("seed", 12)
        self.nodes = [self.lab.node("node1", 21), self.lab.node("node2", 22)]
        for node in self.nodes:
            self.add_containerd(node)

    def start_darter(self):
        self.say("Starting scheduler, seed and two daemons; pointing containerd at them (darter init)")
        scheduler = Scheduler(self.darter, self.scheduler_node).start()
        for node in [self.seed_node] + self.nodes:
            seed = node is self.seed_node
            self.daemons[node.name] = Daemon(self.darter, node, self.scheduler_node.ip, seed=seed).start()
        until(15, "all daemons have announced themselves", lambda: scheduler.announced() >= len(self.daemons))
        for node in self.nodes:
            self.daemons[node.name].init_containerd(self.registry.url)
            self.containerds[node.name].start()

    def through_darter(self):
        self.containerds["node1"].forget()
        self.start_darter()
        first = self.pull(self.nodes[0], "node 1, through Darter", self.seed_node)
        second = self.pull(self.nodes[1], "node 2, through Darter", self.seed_node)
        self.check_once("both pulls", first, second)
        self.check_not_asked(second, "node 2's pull")
        self.check(second.peers > 0, f"node 1 gave node 2 {mb(second.peers)}")
        given = second.seed + second.peers
        self.check(given >= self.big_size, f"node 2 got {mb(given)} from other nodes")

    def play(self):
        self.push()
        self.containerds["node1"].trust_plain_http(self.registry.host)
        self.containerds["node1"].start()
        self.pull(self.nodes[0], "node 1, without Darter", self.seed_node)
        if self.darter:
            self.through_darter()
        self.run_program(self.nodes[1 if self.darter else 0])
        self.verdict()


if __name__ == "__main__":
    main(Show)
