"""Whole files, one at a time: from the origin, from the store, from a peer."""

from figures import Figure
from row import row
from stage import CURL, GIB, MIB, Nginx, Took, cpu_seconds, took


def per_gib(result, size):
    return result.cpu * GIB / size


class Compared:
    """Runs of a transfer beside its control, alternating, by each maker."""

    def __init__(self, stage, size):
        self.stage = stage
        self.size = size
        self.control = []
        self.written = []
        self.by_maker = {maker.name: [] for maker in stage.makers}

    def measure(self, control, transfer):
        """`control()` and `transfer(maker)` give a Took each."""
        for _ in range(self.stage.runs):
            self.control.append(control())
            self.written.append(self.stage.write_cost())
            for maker in self.stage.makers:
                self.by_maker[maker.name].append(transfer(maker))
        return self

    def values(self, name, function):
        return [function(ours, control) for ours, control in zip(self.by_maker.get(name, []), self.control)]

    def figure(self, title, name, unit, function, control=(), **about):
        ours, theirs = self.values("Darter", function), self.values("Dragonfly", function)
        return Figure(title, name, unit, ours, control=list(control), theirs=theirs, **about)

    def time(self, title, **about):
        control = [result.seconds for result in self.control]
        return self.figure(title, "time", "x", lambda ours, control: ours.seconds / control.seconds, control, **about)

    def first_byte(self, title, **about):
        control = [result.first_byte * 1000 for result in self.control]
        later = lambda ours, control: (ours.first_byte - control.first_byte) * 1000
        return self.figure(title, "first byte later by", "ms", later, control, **about)

    def cpu(self, title, **about):
        """Beside the control's own where it is known, else beside what writing the bytes costs."""
        control = [per_gib(result, self.size) for result in self.control if result.cpu]
        name = "" if control else "write"
        cost = lambda ours, _: per_gib(ours, self.size)
        return self.figure(title, "CPU per GiB", "s", cost, control or self.written, control_name=name, **about)


def cold(stage, path_of, seeds, nodes, on):
    """A transfer on node `on` of a cluster whose stores are empty."""

    def transfer(maker):
        with stage.cluster(maker, seeds, nodes) as cluster:
            return cluster.pull(on, path_of(stage))

    return transfer


@row("cold-link", "cold 1 GiB, seed itself, link of 1 Gbit/s, blob; control: curl straight from nginx")
def cold_link(stage, title):
    size = stage.size(GIB)
    with stage.shaped(1000, "origin"):
        runs = Compared(stage, size).measure(
            lambda: stage.straight("seed", stage.files.plain(size)),
            cold(stage, lambda stage: stage.files.blob(size), ["seed"], [], "seed"),
        )
    return [runs.time(title, limit=1.03), runs.first_byte(title, limit=5), runs.cpu(title)]


@row("cold", "the same unshaped, plain file; control: curl")
def cold_plain(stage, title):
    size = stage.size(GIB)
    runs = Compared(stage, size).measure(
        lambda: stage.straight("seed", stage.files.plain(size)),
        cold(stage, lambda stage: stage.files.plain(size), ["seed"], [], "seed"),
    )
    return [
        runs.time(title, limit=2.2, known="3.6"),
        runs.first_byte(title, limit=5, known="207 ms"),
        runs.cpu(title, limit=0.8, known="1.20 s"),
    ]


@row("through-seed", "cold 1 GiB through another node that is the seed, unshaped; control: curl")
def through_seed(stage, title):
    size = stage.size(GIB)
    runs = Compared(stage, size).measure(
        lambda: stage.straight("n1", stage.files.plain(size)),
        cold(stage, lambda stage: stage.files.plain(size), ["seed"], ["n1"], "n1"),
    )
    return [
        runs.time(title, limit=3, known="5.8"),
        runs.first_byte(title, limit=20, known="675 ms"),
        runs.cpu(title, limit=1.4, known="2.0 s"),
    ]


def nginx_on_node(stage, name, size):
    """nginx on the node itself, asked over loopback: what a store that only sends could do."""
    node = stage.node(name)
    nginx = Nginx(node, 8080)
    path = stage.files.plain(size)
    node.enter("cp", "-L", stage.files.folder + path, "/var/srv/file")
    worker = nginx.worker()

    def control():
        before = cpu_seconds(worker)
        result = took(*node.try_to(*CURL, "http://127.0.0.1:8080/file"))
        result.cpu = cpu_seconds(worker) - before
        return result

    return nginx, control


@row("warm", "warm 1 GiB from the local store; control: nginx on the node, with sendfile")
def warm(stage, title):
    size = stage.size(GIB)
    nginx, control = nginx_on_node(stage, "n1", size)
    runs = Compared(stage, size)
    paths = {}

    try:
        for maker in stage.makers:
            with stage.cluster(maker, [], ["n1"]) as cluster:
                path = paths.setdefault(maker.name, stage.files.plain(size))
                cluster.pull("n1", path)
                for _ in range(stage.runs):
                    if maker is stage.makers[0]:
                        runs.control.append(control())
                    runs.by_maker[maker.name].append(cluster.pull("n1", path))
    finally:
        nginx.process.kill()
        stage.node("n1").enter("rm", "-f", "/var/srv/file")
    return [runs.time(title, limit=1.10, known="1.39"), runs.cpu(title, limit=0.12, known="0.38 s")]


def from_one_peer(stage, path_of):
    """n1 has it; n2 pulls, and the origin sends nothing more."""

    def transfer(maker):
        with stage.cluster(maker, [], ["n1", "n2"]) as cluster:
            path = path_of(stage)
            cluster.pull("n1", path)
            sent = stage.origin.sent()
            result = cluster.pull("n2", path)
            if stage.origin.sent() > sent + 64 * 1024:
                raise RuntimeError(f"{maker.name}: the origin sent {stage.origin.sent() - sent} bytes to n2")
            return result

    return transfer


@row("peer", "1 GiB from one peer, plain file; control: curl from nginx")
def peer(stage, title):
    size = stage.size(GIB)
    runs = Compared(stage, size).measure(
        lambda: stage.straight("n2", stage.files.plain(size)), from_one_peer(stage, lambda stage: stage.files.plain(size))
    )
    return [
        runs.time(title, limit=2, known="3.0"),
        runs.first_byte(title, limit=10, known="143 ms"),
        runs.cpu(title, limit=0.8, known="1.08 s"),
    ]


@row("peer-blob", "the same as blob, SHA-256 checked by the daemon; control: curl | openssl dgst -sha256")
def peer_blob(stage, title):
    size = stage.size(GIB)
    origin = stage.origin.node.ip

    def control():
        url = f"http://{origin}{stage.files.plain(size)}"
        script = 's=$(date +%s%N); curl -sS "$0" | openssl dgst -sha256 >/dev/null; e=$(date +%s%N); echo $((e - s))'
        status, output, errors = stage.node("n2").try_to("bash", "-c", script, url, seconds=310)
        if status != 0:
            raise RuntimeError(errors)
        return Took(int(output) / 1e9, 0)

    runs = Compared(stage, size).measure(control, from_one_peer(stage, lambda stage: stage.files.blob(size)))
    return [runs.time(title, limit=1.3, known="does not check"), runs.cpu(title)]


@row("first-byte", "5 MiB object, first byte; control: curl straight from nginx")
def first_byte(stage, title):
    size = 5 * MIB
    direct = lambda: stage.straight("n1", stage.files.plain(size))

    def source(maker):
        with stage.cluster(maker, ["seed"], []) as cluster:
            return cluster.pull("seed", stage.files.plain(size))

    cases = [
        ("cold through the seed", cold(stage, lambda stage: stage.files.plain(size), ["seed"], ["n1"], "n1"), 15, "621 ms"),
        ("from the source itself", source, 5, "70 ms"),
        ("from a peer", from_one_peer(stage, lambda stage: stage.files.plain(size)), 6, "54 ms"),
    ]
    figures = []
    for name, transfer, limit, known in cases:
        runs = Compared(stage, size).measure(direct, transfer)
        control = [result.first_byte * 1000 for result in runs.control]
        figure = runs.figure(title, name, "ms", lambda ours, _: ours.first_byte * 1000, control, limit=limit, known=known)
        figures.append(figure)
    return figures


