"""Looking at many things at once, for no longer than a deadline.

Rules: each look has a thread of its own, which nobody waits for in the end: one that hangs (a dead network drive, a
name service) is told as such. A look that fails hides no other one.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gatewayd.doctor.findings import Finding, Level, Unseen, error, unseen
from gatewayd.errors import GatewayError

T = TypeVar("T")
Action = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at; `action` blocks."""

    area: str
    subject: str
    action: Action


@dataclass(slots=True, eq=False)
class Looks:
    """Looks that were begun. Until `deadline` (time.monotonic) they are waited for."""

    deadline: float
    _begun: list[tuple[Look, "queue.SimpleQueue[Sequence[Finding]]"]] = field(default_factory=list)

    def begin(self, *looks: Look) -> None:
        for look in looks:
            answer: queue.SimpleQueue[Sequence[Finding]] = queue.SimpleQueue()
            self._begun.append((look, answer))
            threading.Thread(target=_run, args=(look, answer), name=f"look {look.subject}", daemon=True).start()

    def collect(self) -> list[Finding]:
        """What they have brought, in the order in which they were begun."""
        found: list[Finding] = []
        for look, answer in self._begun:
            try:
                found.extend(answer.get(timeout=max(self.deadline - time.monotonic(), 0.001)))
            except queue.Empty:
                found.append(_hangs(look))
        return found


def within(action: Callable[[], T], seconds: float) -> T:
    """What it gives, or raises. Unseen when that takes longer."""
    answer: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()

    def serve() -> None:
        try:
            answer.put(action())
        except Exception as fault:  # noqa: BLE001 - whatever it is belongs to whoever waits
            answer.put(fault)

    threading.Thread(target=serve, name="within", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise Unseen(f"no answer within {seconds:.0f} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _run(look: Look, answer: "queue.SimpleQueue[Sequence[Finding]]") -> None:
    try:
        found = list(look.action())
    except PermissionError as fault:
        told = str(fault) if fault.filename is None else f"this user may not read {fault.filename}"
        found = [unseen(look.area, look.subject, f"not seen: {told}")]
    except Unseen as fault:
        found = [unseen(look.area, look.subject, f"not seen: {fault}")]
    except (GatewayError, OSError, ValueError) as fault:
        found = [error(look.area, look.subject, str(fault), "gatewayd check")]
    except Exception as fault:  # noqa: BLE001 - a defect of one look must not hide what the others have found
        found = [error(look.area, look.subject, f"a defect of gatewayd doctor: {fault!r}", "please report it")]
    answer.put(found)


def _hangs(look: Look) -> Finding:
    return Finding(
        Level.WARNING,
        look.area,
        look.subject,
        "did not answer in time; a dead network drive, a name service that is not there, an overloaded machine?",
        "dmesg | tail; df; uptime",
        unseen=True,
    )
