"""Jobs of stations, as what the agenda and the diary know of them.

Rules: only jobs of one policy share a session, unless it costs money to have another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gatewayd.agenda import Agenda
from gatewayd.diary import Diary
from gatewayd.duties import Brought, Duty, Terms
from gatewayd.model import Increments, LoadProfile, Order
from gatewayd.policy import Policy
from gatewayd.schedule import At, Rhythm
from gatewayd.station import Station
from gatewayd.talk import Result


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a station, and how often."""

    station: Station
    request: Order
    rhythm: Rhythm


def agenda_of(jobs: Sequence[Job], now: datetime, terms: Terms, diary: Diary, *, together: bool = False) -> Agenda:
    """The agenda of these jobs, each in its place. `together`: one session for all that is due for a meter, whatever
    their policies."""
    policies: list[Policy] = []
    duties = []
    for job in jobs:
        if job.station.policy not in policies:
            policies.append(job.station.policy)
        company = 0 if together else policies.index(job.station.policy)
        duties.append(Duty(job.station.meter.id, job.request, job.rhythm, company))
    agenda = Agenda(duties, now, terms, lambda duty: diary.last(duty.meter, text_of(duty)))
    for duty in duties:  # a run that is late at the next start, or the next change of the configuration, is not lost
        if isinstance(duty.rhythm, At) and not isinstance(duty.order, LoadProfile):
            diary.begin(duty.meter, text_of(duty), now)
    return agenda


def text_of(duty: Duty) -> str:
    """What the diary knows it by: a registrar and its metering points may want the same at other times."""
    order = duty.order
    text = order.asked.text if isinstance(order, Increments) else order.text
    if not isinstance(duty.rhythm, At):
        return text
    on = "" if duty.rhythm.on is None else f" on {duty.rhythm.on}"
    return f"{text} at {duty.rhythm.time}{on}"


class Results:
    """What sessions have brought, one after the other: knows which readings were in the archive before."""

    def __init__(self) -> None:
        self._newest = 0

    def brought(self, results: Sequence[Result]) -> list[Brought]:
        """What the agenda has to know of a session."""
        newest = [max((one.seq for one in found.readings), default=0) for found in results]
        before = self._newest
        self._newest = max((before, *newest))
        return [
            Brought(found.fault, found.left, seq > before, bool(found.readings), found.asked)
            for found, seq in zip(results, newest, strict=True)
        ]
