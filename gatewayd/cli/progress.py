"""How far something long has come: a bar, or a line with the seconds where there is no measure.

Rules: on standard error, in a terminal, and only when it takes its time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.control import Control
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import ControlType

from gatewayd.cli.output import console

PATIENCE_S = 1.0
"""What is done within this time needs no bar."""


@contextmanager
def patience(what: str) -> Iterator[None]:
    """A line that tells how long something without a measure takes: `counting: 3 s`."""
    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield
        return
    over = Event()

    def tell() -> None:
        begun = time.monotonic()
        while not over.wait(PATIENCE_S):
            terminal.control(Control.move_to_column(0), _ERASE)
            terminal.print(f"{what}: {time.monotonic() - begun:.0f} s ", end="", markup=False)
        if time.monotonic() - begun > PATIENCE_S:
            terminal.control(Control.move_to_column(0), _ERASE)

    teller = Thread(target=tell, name="patience", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


_ERASE = Control((ControlType.ERASE_IN_LINE, 2))


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
