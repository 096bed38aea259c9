"""A probe of `sink check`: one point of a measurement of its own, written and read back.

Rules: it cannot be taken for a reading; its value has eleven digits, which a database of floats must still keep.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gatewayd.errors import SinkError
from gatewayd.sink.check import Remark, error, fine, warning
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.line_protocol.lines import nanoseconds, tag
from gatewayd.sink.line_protocol.session import Session

MEASUREMENT = "gatewayd_check"
VALUE = Decimal("12345678.875")
DAYS_IN_MONTH = 365.25 / 12

ReadBack = Callable[[datetime], Awaitable[Decimal | None]]
"""The value that the database has for an instant; None where it has none. Raises SinkError."""


def source(session: Session) -> str:
    """The tag `gateway` of the probes of a sink."""
    return f"check:{session.sink}"


def instant(session: Session, months: int = 0) -> datetime:
    """Now, or `months` ago; whole milliseconds, which is all that some databases keep."""
    now = session.clock().astimezone(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000) - timedelta(days=months * DAYS_IN_MONTH)


def days(months: int) -> int:
    """Whole days that `months` may last."""
    return -int(-months * DAYS_IN_MONTH // 1)


async def write(session: Session, at: datetime) -> None:
    """Raises BatchRefused and SinkError."""
    line = f"{MEASUREMENT},gateway={tag(source(session))} value={VALUE} {nanoseconds(at)}\n"
    await session.write_judged(line.encode())


async def written_and_read(session: Session, read_back: ReadBack) -> list[Remark]:
    """Write a probe of this moment and compare what the database has of it."""
    at = instant(session)
    try:
        await write(session, at)
    except BatchRefused as fault:
        return [error(f"it refuses a probe: {fault}", "see what it says of the probe, and check url and dialect")]
    except SinkError as fault:
        return [error(f"a probe cannot be written: {fault}", "mend that, and check again")]
    who = session.options.username or ("the token" if session.options.has_token else None)
    accepted = [fine(f"it lets {who} write")] if who else []
    try:
        found = await read_back(at)
    except SinkError as fault:
        return [
            *accepted,
            warning(
                f"a probe was written and cannot be read back: {fault}",
                "where the user may only write, readings arrive all the same; look for them in the database once",
            ),
        ]
    if found is None:
        text, remedy = "a probe was acknowledged and is not there", "look at the log of the database: it loses data"
        return [*accepted, error(text, remedy)]
    if found != VALUE:
        text = f"a probe of {VALUE} came back as {found}"
        return [*accepted, error(text, "let the database keep floating-point numbers of 64 bits")]
    return [*accepted, fine(f"a probe of {VALUE} was written and read back")]
