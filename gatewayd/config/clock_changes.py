"""Times of day in a configuration that the change of the clocks makes doubtful: which one is meant.

Rules: works on the tree, wherever it says `since`; everything here is advice. What is meant is what values.LegalTime
makes of it: of an hour that comes twice the first one, of one that does not come the hour behind it.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Scalar, Sequence
from gatewayd.config.values import LegalTime, legal_time

_KEY = "since"


def warnings(node: Node, zone: ZoneInfo, loc: Loc = ()) -> Iterator[Fault]:
    """Of a tree, from its root on."""
    if isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            yield from warnings(item, zone, (*loc, number))
    elif isinstance(node, Mapping):
        for key, item in node.entries.items():
            if key == _KEY and isinstance(item, Scalar) and item.text:
                yield from _doubt((*loc, key), item.text, zone)
            else:
                yield from warnings(item, zone, (*loc, key))


def _doubt(loc: Loc, text: str, zone: ZoneInfo) -> Iterator[Fault]:
    try:
        found = legal_time(text)
    except ValueError:  # another `since`, or told elsewhere
        return
    said = doubt(found, zone)
    if said:
        yield Fault(loc, said)


def doubt(found: LegalTime, zone: ZoneInfo) -> str:
    """In words; "" where there is none."""
    local = found.at(zone).astimezone(zone)
    written = datetime.combine(found.day, found.clock)
    if local.replace(tzinfo=None, fold=0) != written:
        return (
            f"there is no {found.text} in {zone.key}, where the clocks go forward then: it is taken as {local:%H:%M}; "
            f"expected that, or a time that there is"
        )
    first, second = (written.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first != second:
        return (
            f"{found.text} comes twice in {zone.key}, where the clocks go back then: the first one is meant, "
            f"{local:%H:%M%z}"
        )
    return ""
