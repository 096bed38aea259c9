"""What must fit together in finished metering points: metering periods, evaluation intervals, the points of a sum.

Rules: works on the finished points, since periods come from meters, their jobs and policies. What cannot be computed is
an error; where points of a sum differ, and fit into each other, it is told in which intervals the sum is made.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from gatewayd.config.metering import MeteringPointEntry
from gatewayd.config.nodes import Fault, Loc
from gatewayd.config.values import written
from gatewayd.metering.points import MeteringPoint


def faults(entries: Sequence[MeteringPointEntry], points: Sequence[MeteringPoint]) -> Iterator[Fault]:
    """`points` were made of these entries, in the same order; behind them are those that there are by themselves."""
    by_id = {point.id: point for point in points}
    for number, (entry, point) in enumerate(zip(entries, points, strict=False)):
        loc: Loc = ("points", number)
        periods = _periods(entry, by_id)
        misfit = next((one for one in periods if point.period % one), None)
        if misfit is not None:
            message = (
                f"its points have intervals of {' and '.join(map(written, periods))}, and {written(misfit)} do not "
                f"fill {written(point.period)}; expected points whose intervals fit into each other"
            )
            yield Fault((*loc, "sum"), message)
        elif entry.evaluation is not None and entry.evaluation % point.period:
            whose = "its points" if point.virtual else f"its meter '{entry.installed[-1].meter}'"
            message = (
                f"{written(entry.evaluation)} is no multiple of {written(point.period)}, the metering period of "
                f"{whose}; expected evaluation: 60m"
            )
            yield Fault((*loc, "evaluation"), message)


def warnings(entries: Sequence[MeteringPointEntry], points: Sequence[MeteringPoint]) -> Iterator[Fault]:
    """The same points."""
    by_id = {point.id: point for point in points}
    for number, (entry, point) in enumerate(zip(entries, points, strict=False)):
        periods = _periods(entry, by_id)
        if len(periods) > 1:
            message = (
                f"its points have intervals of {' and '.join(map(written, periods))}, so that the sum has those of "
                f"{written(point.period)}; for shorter ones each meter needs a profile of them"
            )
            yield Fault(("points", number, "sum"), message)


def _periods(entry: MeteringPointEntry, by_id: Mapping[str, MeteringPoint]) -> tuple[timedelta, ...]:
    """Those of the points of a sum, each once, ascending."""
    return tuple(sorted({by_id[name].period for name in entry.sum}))
