"""Many small files at once."""

from figures import Figure
from load import ask_all, ask_straight, small_files
from row import row

COUNT, SIZE = 2000, 64 << 10


@row("small", "2,000 files of 64 KiB, 16 at a time, files per second; control: nginx direct")
def small(stage, title):
    control, values = [], {maker.name: ([], []) for maker in stage.makers}
    for _ in range(stage.runs):
        paths = small_files(stage, COUNT, SIZE)
        control.append(COUNT / ask_straight(stage, "n1", paths))
        for maker in stage.makers:
            with stage.cluster(maker, [], ["n1"]) as cluster:
                for kept in values[maker.name]:
                    kept.append(COUNT / ask_all(cluster, "n1", paths))
    figures = []
    for at, (name, limit, known) in enumerate((("cold", 5000, "2430"), ("warm", 16000, "8750"))):
        theirs = values["Dragonfly"][at] if "Dragonfly" in values else []
        figures.append(
            Figure(title, name, "/s", values["Darter"][at], control=control, theirs=theirs, limit=limit, at_least=True, known=known)
        )
    return figures
