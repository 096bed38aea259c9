"""How far something long has come: a bar on standard error, in a terminal, and only when it takes its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gatewayd.cli.output import console

PATIENCE_S = 1.0
"""What is done within this time needs no bar."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number done so far."""
    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield lambda _done: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal,
        transient=True,
    )
    task = bar.add_task(what, total=total)
    begun, shown = time.monotonic(), False

    def show(done: int) -> None:
        nonlocal shown
        if not shown and time.monotonic() - begun > PATIENCE_S:
            bar.start()
            shown = True
        if shown:
            bar.update(task, completed=done)

    try:
        yield show
    finally:
        if shown:
            bar.stop()
