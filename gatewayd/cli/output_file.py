"""Files that commands write: the option --output that they share, and a file that is complete or not there.

Rules: a file gets its name only when everything is in it and on the disk, so that whoever is killed leaves no half one
under that name; a draft beside it (`.NAME.PID.part`) may stay. A link stays a link; a pipe or a device is written to.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

STDOUT = Path("-")
# Any: a command may return what it likes, click ignores it.
Command = TypeVar("Command", bound=Callable[..., Any])


def output_option(without: str = "standard output without it, or with -") -> Callable[[Command], Command]:
    """Give a command the option -o FILE, `output`; `without` says what is done without it."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=STDOUT,
        metavar="FILE",
        help=f"Write to this file; {without}.",
    )


@contextmanager
def complete(output: Path) -> Iterator[BinaryIO]:
    """Standard output, or a file that takes its name when everything is in it. A pipe or a device is written to."""
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        if output.exists() and not output.is_file():  # /dev/stdout leads to a pipe that has no name
            with output.open("wb") as stream:
                yield stream
            return
        output = output.resolve()  # a link stays a link
        draft = output.with_name(f".{output.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(output)
        finally:
            draft.unlink(missing_ok=True)
    except PermissionError:
        raise  # has an exit code of its own
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}") from error
