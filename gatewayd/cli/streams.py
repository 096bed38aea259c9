"""The three standard streams of a command: there, and no reason for a traceback.

Rules: whoever starts a command may have closed them (`2>&-`). Each that is missing becomes /dev/null before anything
else is opened: otherwise a file of the archive would get the number of standard error, and what a library writes there
with it. A character that the encoding of the terminal does not have is shown as `?`. Light: every command loads it.
"""

import contextlib
import errno
import io
import os
import sys
from typing import TextIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def provide() -> None:
    """Open what is missing, and let everything be printed."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.dup(number), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (stream.errors == "strict" or stream.encoding != "utf-8"):
            stream.reconfigure(errors="replace")


def discard(stream: TextIO | None = None) -> None:
    """Let what is still in the buffer of a stream, of standard output by default, go nowhere: Python would try to write
    it at the end, and end with 120."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def is_full(error: OSError) -> bool:
    """Whether something could not be written for want of room, or because its disk has failed."""
    return error.errno in _FULL


def tell_full(error: OSError) -> None:
    """Say that on standard error, as far as that still takes anything."""
    discard()
    what = error.filename or "the output"
    try:
        print(f"{what} cannot be written: {error.strerror}; is its disk full?", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)
