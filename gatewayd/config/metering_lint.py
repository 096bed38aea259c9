"""What is worth knowing of metering points in a configuration that can be used.

Rules: works on the finished points; everything here is advice.
"""

from collections.abc import Iterator, Mapping, Sequence

from gatewayd.config.identifiers import ean_doubt, eic_doubt
from gatewayd.config.metering import MeteringPointEntry, each
from gatewayd.config.metering_points import Metered
from gatewayd.config.nodes import Fault, Loc
from gatewayd.metering.points import MeteringPoint, MeteringSide, SupplyTransformer, TransformerKind
from gatewayd.metering.register_state import counts_up
from gatewayd.metering.sources import Source, counts_energy, source_of
from gatewayd.model import MeteringType

_VOLTAGES = {
    TransformerKind.VVN_VN: "vvn_vn, 110 kV to medium voltage",
    TransformerKind.VN_NN: "vn_nn, medium to low voltage",
}


def warnings(
    entries: Sequence[MeteringPointEntry], points: Sequence[MeteringPoint], known: Mapping[str, Metered]
) -> Iterator[Fault]:
    """`points` were made of these entries, in the same order; behind them are those that there are by themselves."""
    controlled = {point.control_of for point in points if point.control_of}
    by_id = {point.id: point for point in points}
    for number, (entry, point) in enumerate(zip(entries, points, strict=False)):
        loc: Loc = ("points", number)
        yield from _identifiers(loc, entry)
        yield from _losses(loc, entry, point)
        yield from _control(loc, point, by_id)
        yield from _substitution(loc, entry, point, controlled)
        yield from _channels(loc, entry, point)
        yield from _intervals(loc, entry, known)
        yield from _months(loc, entry, point, by_id)


def _identifiers(loc: Loc, entry: MeteringPointEntry) -> Iterator[Fault]:
    for key, said in (("eic", eic_doubt(entry.eic)), ("ean", ean_doubt(entry.ean))):
        if said is not None:
            yield Fault((*loc, key), said)


def _losses(loc: Loc, entry: MeteringPointEntry, point: MeteringPoint) -> Iterator[Fault]:
    if entry.side is MeteringSide.PRIMARY:
        if entry.transformer is not None:
            message = "does nothing on the primary side, where no losses are added; expected metering_side: secondary"
            yield Fault((*loc, "transformer"), message)
        return
    transformer = point.transformer or SupplyTransformer()
    if not entry.transformer:
        yield Fault(
            (*loc, "metering_side"),
            f"secondary without a transformer: losses are {transformer.flat_percent:f} % of active energy, those of "
            f"{_VOLTAGES[transformer.kind]}; expected transformer: {{kind: {transformer.kind.value}}}, or its percent",
        )
    for number, one in enumerate(each(entry.transformer)):
        place = (*loc, "transformer", number) if isinstance(entry.transformer, tuple) else (*loc, "transformer")
        if point.boundary is None and one.pm_kw is not None:
            message = "does nothing: it is for points without a load profile, out of which the highest power is known"
            yield Fault((*place, "pm_kw"), f"{message}; leave it out")
        elif point.boundary is not None and one.sn_kva is not None and one.pm_kw is None:
            message = "is not enough without a load profile, so the losses are missing"
            yield Fault((*place, "sn_kva"), f"{message}; expected pm_kw, the highest active power, as well, or percent")


def _control(loc: Loc, point: MeteringPoint, by_id: Mapping[str, MeteringPoint]) -> Iterator[Fault]:
    """The limit of the comparison is made of accuracy classes (PPDS annex 5, 2.9)."""
    if not point.control_of:
        return
    main = by_id[point.control_of]
    without = [one.id for one in (main, point) if not one.accuracy.meter and not one.virtual]
    if without:
        message = f"cannot be compared: {' and '.join(without)} without accuracy; expected accuracy: {{meter: 0.5S}}"
        yield Fault((*loc, "control_of"), message)


def _substitution(loc: Loc, entry: MeteringPointEntry, point: MeteringPoint, controlled: set[str]) -> Iterator[Fault]:
    substitution = entry.substitution
    if "use_control" in substitution.model_fields_set and substitution.use_control and point.id not in controlled:
        message = f"does nothing: no point has control_of: {point.id}"
        yield Fault((*loc, "substitution", "use_control"), message)
    if substitution.enabled and point.virtual:
        message = "a sum is made of the substitute values of its parts; expected substitution at these points"
        yield Fault((*loc, "substitution", "enabled"), message)
    elif substitution.enabled and point.metering_type is MeteringType.C and point.boundary is None:
        message = (
            "does nothing: the point is of type C, and has intervals; type C has substitute values of months alone"
        )
        yield Fault(
            (*loc, "substitution", "enabled"), f"{message}; expected metering_type: B, or A, at the point or meter"
        )


def _channels(loc: Loc, entry: MeteringPointEntry, point: MeteringPoint) -> Iterator[Fault]:
    """What of the channels that are named is not counted (metering/sources.py)."""
    for number, code in enumerate(entry.channels if point.boundary is None else ()):
        if counts_energy(code) and source_of(code) is Source.UNKNOWN:
            message = (
                f"nobody knows whether {code.reduced()} is a state or what came in the interval, so energy and volume "
                "of it are missing; expected a code of increments or of totals such as 1-0:1.29.0 or 1-0:1.8.0"
            )
            yield Fault((*loc, "channels", number), message)


def _months(
    loc: Loc, entry: MeteringPointEntry, point: MeteringPoint, by_id: Mapping[str, MeteringPoint]
) -> Iterator[Fault]:
    """A point that has months of states of registers alone."""
    for name in entry.sum:
        if by_id[name].boundary is not None:
            message = f"{name} has no intervals, only months of its registers, so the sum is missing"
            yield Fault((*loc, "sum", name), f"{message}; expected points with a load profile", at_key=True)
    if point.boundary is None:
        if "boundary" in entry.model_fields_set:
            message = "does nothing: it is for points of type C whose meters keep no load profile"
            yield Fault((*loc, "boundary"), f"{message}; leave it out")
        return
    for code in point.channels:
        if not counts_up(code) or code.historical:
            message = f"{code.reduced()} is no register of energy or volume; this point has no load profile"
            yield Fault((*loc, "channels"), f"{message}, expected codes such as 1-0:1.8.0")
    for key in ("control_of", "netting"):
        if key in entry.model_fields_set and getattr(entry, key) is not None:
            message = "does nothing: the point has no intervals, only months of its registers"
            yield Fault((*loc, key), f"{message}; leave it out, or give its meter a job with a load profile")


def _intervals(loc: Loc, entry: MeteringPointEntry, known: Mapping[str, Metered]) -> Iterator[Fault]:
    """A point whose meters have no intervals has nothing but what is read of registers; that is enough for type C."""
    for number, one in enumerate(entry.installed):
        found = known[one.meter]
        if found.kept or (entry.metering_type or found.meter.metering_type) is MeteringType.C:
            continue
        place = (*loc, "meter") if entry.meter is not None else (*loc, "meters", number, "meter")
        message = f"'{one.meter}' has no load profile and no intervals, so the point has no values of it"
        yield Fault(place, f"{message}; expected a job such as {{profile: 1-0:99.1.0}} at the meter")
