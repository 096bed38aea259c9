"""Brokers and databases: what `gatewayd sink check` finds out, and what the running gateway says of its sinks.

Rules: the check writes its probe and takes it back, as docs/sinks.md has it, and nothing else; it is a connection of
its own beside that of the gateway.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gatewayd.doctor.findings import Finding, Level, fine, unseen, warning
from gatewayd.errors import GatewayError
from gatewayd.sink.check import Level as Seriousness
from gatewayd.sink.check import Remark

AREA = "sinks"
_LEVELS = {
    Seriousness.FINE: Level.FINE,
    Seriousness.WARNING: Level.WARNING,
    Seriousness.ERROR: Level.ERROR,
}

Check = Callable[[str], Sequence[Remark]]
"""Checks a sink by its id; blocks."""


def judged_remarks(sink: str, remarks: Sequence[Remark]) -> list[Finding]:
    """What is fine in one line; the rest one by one."""
    good = [remark.text for remark in remarks if remark.level is Seriousness.FINE]
    found = [fine(AREA, sink, "; ".join(good))] if good else []
    return found + [
        Finding(_LEVELS[remark.level], AREA, sink, remark.text, remark.remedy or f"gatewayd sink check {sink}")
        for remark in remarks
        if remark.level is not Seriousness.FINE
    ]


def judged_state(status: Mapping[str, Any]) -> list[Finding]:
    """Sinks that the running gateway cannot deliver to; what is wrong with both outboxes of a sink is told once."""
    found: list[Finding] = []
    for one in status["sinks"]:
        derived = one["derived"]
        if one["fault"]:
            text = f"the gateway cannot deliver: {one['fault']}; {one['waiting']} readings wait"
            found.append(warning(AREA, one["id"], text, "gatewayd status"))
        if derived is not None and derived["fault"] and derived["fault"] != one["fault"]:
            text = f"the gateway cannot deliver derived values: {derived['fault']}; {derived['waiting']} of them wait"
            found.append(warning(AREA, one["id"], text, "gatewayd status"))
    return found


def sink(name: str, check: Check, *, reachable: bool) -> list[Finding]:
    """The look at one; `reachable`: whether its password is."""
    if not reachable:
        remedy = (
            f"systemd-run --pipe with the same LoadCredential=, gatewayd sink check {name}; or read gatewayd status"
        )
        return [unseen(AREA, name, "not checked: only the service has its password (credential, environment)", remedy)]
    try:
        return judged_remarks(name, check(name))
    except GatewayError as fault:
        return [Finding(Level.ERROR, AREA, name, str(fault), f"gatewayd sink check {name}")]
