"""What a session asks first: in one list, or the clock alone; what is remembered, and when it is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from drivers.dlms.asking import Result
from drivers.dlms.clock import RoundTrip
from drivers.dlms.identity import Identity, Prologue, prologue
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.service_errors import DataAccess
from drivers.dlms.wire.services import Data
from tests.drivers.dlms.asked_meter import (
    NOW,
    CountingMemory,
    FakeMeter,
    Stored,
    Ticking,
    clock_octets,
    octets,
    text,
    u32,
    value,
)

CLOCK = (8, "0-0:1.0.0*255", 2)
DEVICE, UTILITY, NAME, FIRMWARE, CHANGES = (
    (1, code, 2) for code in ("0-0:96.1.0*255", "1-0:0.0.0*255", "0-0:42.0.0*255", "1-0:0.2.0*255", "0-0:96.2.0*255")
)
TIME = octets(clock_octets(NOW))


def a_meter(*, lists: bool = True, **other: Stored) -> FakeMeter:
    return FakeMeter(
        {CLOCK: TIME, DEVICE: octets(b"4711 "), NAME: octets(b"ABC4711\x00"), FIRMWARE: text("1.2")}, lists=lists
    )


class Meeting:
    """Sessions with meters, with one memory."""

    def __init__(self) -> None:
        self.memory = CountingMemory()
        self.scope = "client 1"

    def begin(self, meter: FakeMeter, *, compare: bool = False) -> Prologue:
        meter.asked = []
        return asyncio.run(prologue(meter, self.memory, self.scope, Ticking(), compare_serial=compare))


def test_everything_comes_in_one_list() -> None:
    meter = a_meter()
    first = Meeting().begin(meter)
    assert meter.asked == [(CLOCK, DEVICE, UTILITY, NAME, FIRMWARE, CHANGES)]
    assert first == Prologue(
        Data(value(TIME)), RoundTrip(NOW, NOW), Identity(("4711", "", "ABC4711", "1.2", ""), absent=(1, 4))
    )
    assert first.identity.serials == ("4711", "ABC4711")


def test_what_the_meter_does_not_have_is_not_asked_for_again() -> None:
    meter, meeting = a_meter(), Meeting()
    first = meeting.begin(meter)
    assert meeting.begin(meter) == first
    assert meter.asked == [(CLOCK, DEVICE, NAME, FIRMWARE)]


def test_another_firmware_or_meter_is_asked_for_everything() -> None:
    meter, meeting = a_meter(), Meeting()
    meeting.begin(meter)
    meter.objects |= {FIRMWARE: text("2.0"), UTILITY: text("99")}
    assert meeting.begin(meter).identity == Identity(("4711", "99", "ABC4711", "2.0", ""), absent=(4,))
    assert meter.asked == [(CLOCK, DEVICE, NAME, FIRMWARE), (UTILITY, CHANGES)]
    meeting.begin(meter)
    assert meter.asked == [(CLOCK, DEVICE, UTILITY, NAME, FIRMWARE)]


def test_a_meter_that_was_configured_anew_is_another_one_for_caches() -> None:
    meter, meeting = a_meter(), Meeting()
    meter.objects[CHANGES] = u32(7)
    before = meeting.begin(meter).identity
    meter.objects[CHANGES] = u32(8)
    after = meeting.begin(meter).identity
    assert before.owner != after.owner
    assert before.serials == after.serials == ("4711", "ABC4711")
    assert meeting.begin(meter).identity == after


def test_another_association_is_another_meter() -> None:
    meter, meeting = a_meter(), Meeting()
    meeting.begin(meter)
    meeting.scope = "client 2"
    meeting.begin(meter)
    assert meter.asked == [(CLOCK, DEVICE, UTILITY, NAME, FIRMWARE, CHANGES)]


def test_a_refusal_that_may_pass_changes_nothing() -> None:
    meter, meeting = a_meter(), Meeting()
    known = meeting.begin(meter).identity
    meter.objects[FIRMWARE] = DataAccess.TEMPORARY_FAILURE
    assert meeting.begin(meter).identity == known
    fresh = Meeting()
    assert fresh.begin(meter).identity.texts[3] == ""
    assert not fresh.memory.entries


def test_without_lists_only_the_clock_is_asked_for_once_the_rest_is_known() -> None:
    meter, meeting = a_meter(lists=False), Meeting()
    first = meeting.begin(meter)
    assert meeting.begin(meter) == first
    assert meter.asked == [(CLOCK,)]


def test_without_lists_a_configured_serial_number_is_compared_each_time() -> None:
    meter, meeting = a_meter(lists=False), Meeting()
    meeting.begin(meter)
    assert meeting.begin(meter, compare=True).identity.serials == ("4711", "ABC4711")
    assert meter.asked == [(CLOCK,), (DEVICE,)]
    meter.objects |= {DEVICE: text("4712"), NAME: text("ABC4712")}
    assert meeting.begin(meter, compare=True).identity.serials == ("4712", "ABC4712")
    assert meter.asked == [(CLOCK,), (DEVICE,), (UTILITY, NAME, FIRMWARE, CHANGES)]


def test_the_clock_is_compared_with_its_own_round_trip_only() -> None:
    class Slow(FakeMeter):
        """Each request takes a second; lists are refused at the first."""

        async def get_many(self, attributes: Sequence[Attribute]) -> tuple[Result, ...]:
            self.lists_work = self.lists_work and len(attributes) == 1
            tick.at += timedelta(seconds=1 if self.lists_work else len(attributes))
            return await super().get_many(attributes)

    for lists in (True, False):
        tick = Ticking()
        meter = Slow(a_meter().objects, lists=lists)
        found = asyncio.run(prologue(meter, CountingMemory(), "", tick, compare_serial=False))
        assert found.trip.received - found.trip.sent == timedelta(seconds=1)
        assert found.identity.serials == ("4711", "ABC4711")


def test_octets_that_are_no_text_are_hexadecimal_and_a_number_is_a_number() -> None:
    meter = a_meter()
    meter.objects |= {DEVICE: octets(bytes.fromhex("00A1B2C3")), UTILITY: u32(35031234)}
    assert Meeting().begin(meter).identity.serials == ("00A1B2C3", "35031234", "ABC4711")


def test_a_clock_that_is_refused_is_told_and_ends_nothing() -> None:
    meter = a_meter()
    meter.objects[CLOCK] = DataAccess.READ_WRITE_DENIED
    first = Meeting().begin(meter)
    assert first.clock == DataAccess.READ_WRITE_DENIED
    assert first.identity.serials == ("4711", "ABC4711")


def test_a_memory_of_another_version_costs_a_question_and_nothing_else() -> None:
    meter, meeting = a_meter(), Meeting()
    meeting.begin(meter)
    (entry,) = meeting.memory.entries
    meeting.memory.entries[entry] = meeting.memory.entries[entry][:16] + b"\xc1"
    assert meeting.begin(meter).identity.serials == ("4711", "ABC4711")
    assert meter.asked == [(CLOCK, DEVICE, UTILITY, NAME, FIRMWARE, CHANGES)]
