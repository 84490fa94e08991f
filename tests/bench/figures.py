"""Figures: several values of one thing, what they are to be, and how a table of them looks."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One line of the table.

    `values`, `control` and `theirs` have a value for each run; `unit` is "x" for a ratio to the control of the same
    run. `control_name` says what the control is where the row's title does not. `limit` is the value to reach, at most (or with `at_least` at least) so much; None: there is none.
    `known` is what Dragonfly showed on a machine of this kind, for runs without its programs.
    """

    row: str
    name: str
    unit: str
    values: list
    control: list = field(default_factory=list)
    control_name: str = ""
    theirs: list = field(default_factory=list)
    limit: float = None
    at_least: bool = False
    known: str = ""
    note: str = ""

    def reached(self):
        """True, False, or None where nothing is to be reached."""
        if self.limit is None or not self.values:
            return None
        value = statistics.median(self.values)
        return value >= self.limit if self.at_least else value <= self.limit


def number(value):
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:.{digits}f}"


def spread(values, unit):
    """The median, and the range when there is more than one value."""
    if not values:
        return "–"
    unit = "" if unit == "x" else " " + unit
    text = f"{number(statistics.median(values))}{unit}"
    if len(values) > 1:
        text += f" ({number(min(values))}–{number(max(values))})"
    return text


def line(figure):
    target = "–"
    if figure.limit is not None:
        target = f"{'≥' if figure.at_least else '≤'} {number(figure.limit)}"
    verdict = {True: "yes", False: "NO", None: ""}[figure.reached()]
    control = f'{figure.control_name} {spread(figure.control, "s" if figure.unit == "x" else figure.unit)}'.strip()
    theirs = spread(figure.theirs, figure.unit) if figure.theirs else figure.known or "–"
    return [figure.row, figure.name, control, spread(figure.values, figure.unit), theirs, target, verdict]


HEAD = ["what", "figure", "control", "Darter", "Dragonfly", "to reach", "reached"]


def table(figures):
    rows = [HEAD] + [line(figure) for figure in figures]
    last = None
    for row in rows[1:]:
        row[0], last = ("" if row[0] == last else row[0]), row[0] or last
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def as_json(figures, about):
    """Everything that was measured; times in the figure's unit."""
    listed = []
    for figure in figures:
        entry = dict(vars(figure))
        entry["median"] = statistics.median(figure.values) if figure.values else None
        entry["reached"] = figure.reached()
        listed.append(entry)
    return json.dumps({"about": about, "figures": listed}, indent=1, ensure_ascii=False) + "\n"
