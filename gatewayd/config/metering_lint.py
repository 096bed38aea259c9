"""What is worth knowing of metering points in a configuration that can be used.

Rules: works on the finished points; everything here is advice.
"""

from collections.abc import Iterator, Mapping, Sequence

from gatewayd.config.identifiers import ean_doubt, eic_doubt
from gatewayd.config.metering import MeteringPointEntry
from gatewayd.config.metering_points import Metered
from gatewayd.config.nodes import Fault, Loc
from gatewayd.metering.points import MeteringPoint, MeteringSide, SupplyTransformer, TransformerKind
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
        yield from _intervals(loc, entry, known)


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
    if entry.transformer is None:
        yield Fault(
            (*loc, "metering_side"),
            f"secondary without a transformer: losses are {transformer.flat_percent:f} % of active energy, those of "
            f"{_VOLTAGES[transformer.kind]}; expected transformer: {{kind: {transformer.kind.value}}}, or its percent",
        )


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


def _intervals(loc: Loc, entry: MeteringPointEntry, known: Mapping[str, Metered]) -> Iterator[Fault]:
    """A point whose meters have no intervals has nothing but what is read of registers; that is enough for type C."""
    for number, one in enumerate(entry.installed):
        found = known[one.meter]
        if found.kept or (entry.metering_type or found.meter.metering_type) is MeteringType.C:
            continue
        place = (*loc, "meter") if entry.meter is not None else (*loc, "meters", number, "meter")
        message = f"'{one.meter}' has no load profile and no intervals, so the point has no values of it"
        yield Fault(place, f"{message}; expected a job such as {{profile: 1-0:99.1.0}} at the meter")
