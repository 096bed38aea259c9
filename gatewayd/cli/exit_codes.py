"""The exit codes of all commands: the one place where they have a number and a meaning.

Rules: there are no others; docs/exit-codes.md and the manual page have this table. Light: every command line loads it.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell or a service manager sees."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    NOT_PERMITTED = 3
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "Done. What was asked for is there, also when that is little: gaps are an answer.",
    ExitCode.FAULT: "A fault of a meter, a line, the archive or a sink, or something that was found wrong: the message "
    "says what and what to do.",
    ExitCode.USAGE: "A mistake on the command line or in the configuration; nothing was done.",
    ExitCode.NOT_PERMITTED: "This user may not: the file, the device or the control socket belongs to somebody else.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C, SIGTERM or the end of the terminal, in order: a meter was told, a "
    "call hung up, what had come is archived. `run` ends with 0.",
}
