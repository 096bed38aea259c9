"""The objects of a meter, for people: class, code, what may be done with each, units and scalers of registers.

Rules: the list comes from the meter and not from memory, and what is remembered is renewed by it. Nothing of it is a
reading.
"""

from drivers.dlms.asking import Asking
from drivers.dlms.meanings import meaning
from drivers.dlms.objects import View, view_of
from drivers.dlms.registers import Surroundings
from drivers.dlms.scales import PLAIN, Scale, Scales
from gatewayd.errors import MeterDiffers
from gatewayd.model import MeterObject

_SCALER = {3: 3, 4: 3, 5: 4}


async def scan(session: Asking, surroundings: Surroundings) -> tuple[tuple[MeterObject, ...], str]:
    """The objects in the meter's order, and what there is to say of the list. MeterDiffers where it may not be read."""
    view = await view_of(session, surroundings.cache, surroundings.association, afresh=True)
    if view.refused:
        raise MeterDiffers(
            f"does not let its list of objects be read ({view.refused}): look at client, authentication and "
            "association_object, which decide what the meter shows"
        )
    scaled = [entry for entry in view.entries if entry.class_id in _SCALER]
    readable = [entry for entry in scaled if view.readable(entry, _SCALER[entry.class_id])]
    scales = Scales(surroundings.cache, surroundings.now)
    found = await scales.of(session, [(entry.class_id, entry.name) for entry in readable])
    detail = f"{view.skipped} entries of the list of objects are none" if view.skipped else ""
    return _objects(view, found), detail


def _objects(view: View, scales: dict[tuple[int, bytes], Scale]) -> tuple[MeterObject, ...]:
    objects: list[MeterObject] = []
    for entry in view.entries:
        scale = scales.get((entry.class_id, entry.name), PLAIN)
        objects.append(
            MeterObject(
                class_id=entry.class_id,
                version=entry.version,
                obis=entry.obis,
                meaning=meaning(entry.obis),
                attributes=tuple((number, view.attribute_words(mode)) for number, mode in entry.attributes),
                methods=tuple((number, view.method_words(mode)) for number, mode in entry.methods),
                unit=scale.unit,
                scaler=scale.scaler,
            )
        )
    return tuple(objects)
