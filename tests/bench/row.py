"""The table's rows: each a name, what it measures, and the function that does it."""

from dataclasses import dataclass
from typing import Callable

ROWS = []


@dataclass
class Row:
    name: str
    title: str
    measure: Callable


def row(name, title):
    """Marks measure(stage, title), which gives figures."""

    def mark(function):
        ROWS.append(Row(name, title, function))
        return function

    return mark
