"""What must fit together around lines that call: the way to the modem, pools, and the numbers of meters.

Rules: works on the tree, as checks.py; a telephone number is never in a message.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from gatewayd.config.nodes import Fault, Loc, Node, jobs_of, text
from gatewayd.config.nodes import Mapping as MappingNode

_GUARD_MS, _HANG_UP_S = Decimal(1200), Decimal(8)
"""What holds where the configuration says nothing (gatewayd/config/lines.py)."""
_BESIDE = "stands beside device; expected one way to the modem: device, or host and port"


def pool_of(line: Node) -> str | None:
    """The pool that a line is in; None for none, and for what is no modem line."""
    return text(line, "pool") if text(line, "type") == "modem" else None


def pools(lines: Mapping[str, Node]) -> dict[str, list[str]]:
    """The names of the lines in each pool."""
    found: dict[str, list[str]] = {}
    for name, line in lines.items():
        if (pool := pool_of(line)) is not None:
            found.setdefault(pool, []).append(name)
    return found


def faults(lines: Mapping[str, Node], meters: Sequence[tuple[Loc, MappingNode]]) -> Iterator[Fault]:
    pooled = pools(lines)
    for name, line in lines.items():
        if isinstance(line, MappingNode) and text(line, "type") == "modem":
            yield from _way(("lines", name), line)
            yield from _hanging_up(("lines", name), line)
            pool = pool_of(line)
            if pool in lines:
                yield Fault(("lines", name, "pool"), f"'{pool}' is the id of a line; a pool needs a name of its own")
    for loc, meter in meters:
        yield from _meter(loc, meter, lines, pooled)


def _way(loc: Loc, line: MappingNode) -> Iterator[Fault]:
    if "device" in line.entries:
        for key in ("host", "port", "via"):
            if key in line.entries:
                yield Fault((*loc, key), _BESIDE, at_key=True)
    elif "host" not in line.entries and "port" not in line.entries:
        yield Fault(loc, "has no way to the modem; expected device, or host and port")
    else:
        for key, what in (("host", "name or address of the serial server"), ("port", "the TCP port, such as 7002")):
            if key not in line.entries:
                yield Fault((*loc, key), f"is required: {what}")


def _hanging_up(loc: Loc, line: MappingNode) -> Iterator[Fault]:
    """Silence, `+++`, half as much silence again, ATH: where there is no time for all that, the call stays."""
    guard, seconds = _number(line, "guard_ms", _GUARD_MS), _number(line, "hang_up_s", _HANG_UP_S)
    if guard is None or seconds is None:
        return  # which is reported
    needed = guard / 1000 * Decimal("2.5") + 1
    if seconds < needed:
        key = "hang_up_s" if "hang_up_s" in line.entries else "guard_ms"
        message = (
            f"leaves no time to hang up: with guard_ms: {guard} hang_up_s has to be at least {needed:f}, and it is "
            f"{seconds}"
        )
        yield Fault((*loc, key), message)


def _meter(loc: Loc, meter: MappingNode, lines: Mapping[str, Node], pooled: Collection[str]) -> Iterator[Fault]:
    name = text(meter, "line")
    if name is None:
        return
    calls = name in pooled
    if name in lines:
        line = lines[name]
        calls = text(line, "type") == "modem"
        if (pool := pool_of(line)) is not None:
            yield Fault((*loc, "line"), f"line '{name}' is in the pool '{pool}'; name the pool")
    elif not calls:
        return  # an unknown line, which is reported
    if calls and "phone" not in meter.entries:
        yield Fault((*loc, "phone"), "is required on a line of type modem: a telephone number such as +420601234589")
    if calls:
        yield from _no_intervals(loc, meter)
    if not calls and "phone" in meter.entries:
        message = f"line '{name}' does not call; leave the number out, or take a line of type modem"
        yield Fault((*loc, "phone"), message, at_key=True)


def _no_intervals(loc: Loc, meter: MappingNode) -> Iterator[Fault]:
    """Dialling takes longer than a boundary may wait, and each would be a call that is paid for."""
    for place, job in jobs_of(loc, meter):
        if "intervals" in job.entries:
            message = (
                "a meter that is called cannot be read at each boundary: dialling takes too long; "
                "expected registers, such as {registers: [1-0:1.8.0], every: 1h}"
            )
            yield Fault((*place, "intervals"), message, at_key=True)


def _number(line: MappingNode, key: str, default: Decimal) -> Decimal | None:
    """The number behind a key; None for what is none."""
    if key not in line.entries:
        return default
    try:
        found = Decimal(text(line, key) or "")
    except ArithmeticError:
        return None
    return found if found.is_finite() else None
