"""Of which class an object is, where the meter does not let its list of objects be read: classes are tried.

Rules: first what an object with such a code mostly is. What was found is remembered; what was not found is not, since
it may be there tomorrow. A refusal that has nothing to do with the class ends the search.
"""

from collections.abc import Sequence

import msgspec

from drivers.dlms.asking import Asking, name_of, not_there
from drivers.dlms.caches import Cache
from drivers.dlms.clock import CLOCK
from drivers.dlms.readings import CLOCK as CLOCK_CLASS
from drivers.dlms.readings import DATA
from drivers.dlms.scales import DEMAND_REGISTER, EXTENDED_REGISTER, REGISTER
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.obis import Obis

_KEY = "classes"
_VALUES = (REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, DATA)
_ABSTRACT = (DATA, REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER)
_ABSTRACT_FROM = 94


class Classes:
    """The classes of one meter's objects, as far as they are known."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def of(self, session: Asking, wanted: Sequence[Obis]) -> dict[Obis, int | DataAccess]:
        """The class of each, or the meter's last refusal."""
        known = await self._recalled()
        found: dict[Obis, int | DataAccess] = {obis: known[str(obis)] for obis in wanted if str(obis) in known}
        open_ones = [obis for obis in wanted if obis not in found]
        fresh = await _searched(session, open_ones)
        known |= {str(obis): answer for obis, answer in fresh.items() if not isinstance(answer, DataAccess)}
        if any(not isinstance(answer, DataAccess) for answer in fresh.values()):
            await self._cache.remember(_KEY, msgspec.msgpack.encode(known))
        return found | fresh

    async def _recalled(self) -> dict[str, int]:
        stored = await self._cache.recall(_KEY)
        if stored is None:
            return {}
        try:
            return msgspec.msgpack.decode(stored, type=dict[str, int])
        except msgspec.MsgspecError:
            return {}  # of another version of gatewayd: tried again


async def _searched(session: Asking, wanted: Sequence[Obis]) -> dict[Obis, int | DataAccess]:
    """Each round asks for all that are still open, each as its next class."""
    found: dict[Obis, int | DataAccess] = {}
    rest = list(wanted)
    for turn in range(len(_VALUES)):
        asked = [(obis, order[turn]) for obis in rest if turn < len(order := _order(obis))]
        if not asked:
            break
        results = await session.get_many([Attribute(class_id, name_of(obis), 2) for obis, class_id in asked])
        rest = []
        for (obis, class_id), result in zip(asked, results, strict=True):
            found[obis] = result if isinstance(result, DataAccess) else class_id
            if not_there(result):
                rest.append(obis)
    return found


def _order(obis: Obis) -> tuple[int, ...]:
    if obis == CLOCK:
        return (CLOCK_CLASS,)
    return _ABSTRACT if obis.a == 0 or obis.c >= _ABSTRACT_FROM else _VALUES
