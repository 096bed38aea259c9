"""A reader's requests where a device refuses what spans something else that is wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drivers.modbus.asking import Manner, Reader
from drivers.modbus.conversation import Conversation
from drivers.modbus.image import Image, Snapshot
from drivers.modbus.map_registers import Register
from drivers.modbus.wire.dialogue import Settings, Transport
from drivers.modbus.wire.pdu import Refused
from drivers.modbus.wire.transaction import exchange
from tests.drivers.modbus.devices import Device, Line, run, words

AT = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)


def register(code: str, address: int, **given: Any) -> Register:
    return Register.model_validate({"obis": code, "address": address, "type": "u16", "unit": "Wh"} | given)


def test_a_group_that_is_refused_around_a_register_that_is_not() -> None:
    """The request is the group: it cannot be divided, and what lies in its gap can still be read."""
    first, last = register("1-0:1.8.0", 0, group="energy"), register("1-0:2.8.0", 4, group="energy")
    within = register("1-0:3.8.0", 2, unit="varh")

    async def main() -> Image:
        image = Image((*first.pieces, *last.pieces, *within.pieces))
        line = Line([Device({3: {2: 7}})])
        async with Conversation(line.channel(), exchange(Transport.RTU, Settings())) as conversation:
            await Reader(conversation, Manner(1, 125, 4), lambda: AT).read(image)
        return image

    image = run(main())
    assert image.register(within) == Snapshot((words(7),), AT)
    assert image.register(first) == image.register(last) == Refused(2)
