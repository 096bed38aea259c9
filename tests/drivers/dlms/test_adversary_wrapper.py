"""The wrapper without ciphering: no check but those of structure. What cannot slip through, and what can.

TCP has its own check sum and loses nothing, so that here is an adversary and not a bad line. What nobody can see
without ciphering stands in the last part: a value that was changed inside its own octets, and an answer of an earlier
session whose number fits. Whoever may sit on the line needs `security: authenticated` at least (README).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest

from gatewayd.errors import ProtocolError
from gatewayd.model import Registers
from gatewayd.obis import Obis
from tests.drivers.dlms.adversary import (
    PLAIN_WRAPPER,
    Case,
    Heard,
    Shuffler,
    Wire,
    changed,
    flipped,
    profile_of,
    seeds,
)

HEADER = 8
"""Octets of the wrapper."""
BEGIN = HEADER + 3
"""And of tag, choice and invoke-id."""
SINGLE = ("--no-lists",)
"""One object in each answer: here an answer could be taken for that of another object."""


def told(case: Case) -> Heard:
    """An honest session after another one: the meter is known."""
    case.ask()
    heard = case.ask()
    assert heard.whole
    return heard


@pytest.mark.parametrize("more", [(), SINGLE])
def test_a_wrong_bit_in_front_of_the_values_changes_none(tmp_path: Path, more: tuple[str, ...]) -> None:
    """Version, wPorts, length, tag, choice, invoke-id: exhaustive. Other object, other service, other request: no."""
    case = PLAIN_WRAPPER.made(tmp_path, *more)
    honest = told(case)
    for number in range(1, len(honest.said)):
        for bit in range(8 * BEGIN):
            heard = case.ask(adversary=changed(number, lambda said, bit=bit: flipped(said, bit)))  # type: ignore[misc]
            assert heard.believed <= honest.believed, (number, bit)
        after = case.ask(same_connection=False)
        assert after.whole and after.believed == honest.believed, number


@pytest.mark.parametrize("more", [(), SINGLE])
def test_a_wrong_invoke_id_is_an_error(tmp_path: Path, more: tuple[str, ...]) -> None:
    case = PLAIN_WRAPPER.made(tmp_path, *more)
    honest = told(case)
    for number in range(1, len(honest.said)):
        for bit in range(4):
            adversary = changed(number, lambda said, bit=bit: flipped(said, 8 * (BEGIN - 1) + bit))  # type: ignore[misc]
            heard = case.ask(adversary=adversary)
            assert not heard.whole, (number, bit)
            assert heard.believed <= honest.believed, (number, bit)


def test_a_wrong_bit_in_the_values_changes_one_object_at_most(tmp_path: Path) -> None:
    """Exhaustive over all answers. A changed bit is seen, or stays inside of the value that it is in."""
    case = PLAIN_WRAPPER.made(tmp_path)
    honest = told(case)
    seen = slipped = 0
    for number in range(1, len(honest.said)):
        for bit in range(8 * BEGIN, 8 * len(honest.said[number])):
            heard = case.ask(adversary=changed(number, lambda said, bit=bit: flipped(said, bit)))  # type: ignore[misc]
            others = {essence[0] for essence in heard.believed - honest.believed}
            assert len(others) <= 1, (number, bit, others)
            seen += not heard.whole
            slipped += bool(others)
    assert seen and slipped  # both happen: the second is why there is ciphering


@pytest.mark.parametrize("more", [(), SINGLE])
def test_octets_too_few_or_too_many_are_an_error(tmp_path: Path, more: tuple[str, ...]) -> None:
    """With the length of the wrapper as it was, and put right."""

    def as_long_as_said(said: bytes) -> bytes:
        return said[:6] + (len(said) - HEADER).to_bytes(2) + said[HEADER:]

    case = PLAIN_WRAPPER.made(tmp_path, *more)
    honest = told(case)
    for number in range(1, len(honest.said)):
        whole = len(honest.said[number])
        changes: list[Callable[[bytes], bytes]] = [
            lambda said: as_long_as_said(said + b"\x00"),
            lambda said: as_long_as_said(said + said[HEADER:]),
            *(lambda said, size=size: said[:size] for size in range(whole)),
            *(lambda said, size=size: as_long_as_said(said[:size]) for size in range(HEADER, whole)),
        ]
        for place, change in enumerate(changes):
            heard = case.ask(adversary=changed(number, change))
            assert not heard.whole, (number, place)
            assert heard.believed <= honest.believed, (number, place)
    assert case.ask().believed == honest.believed


@pytest.mark.parametrize("seed", seeds(200))
def test_answers_in_another_order_twice_or_too_late_are_never_those_of_another_object(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    case = PLAIN_WRAPPER.made(tmp_path, *(SINGLE if seed % 2 else ()))
    honest = told(case)

    adversary = Shuffler(random, random.choice((0.1, 0.3, 0.7)), flips=False)

    def without_splices(number: int, said: bytes) -> Iterable[bytes]:
        return [one for one in adversary(number, said) if one == said or one in adversary.heard]

    heard = case.ask(adversary=without_splices)
    assert heard.believed <= honest.believed, heard.believed - honest.believed
    after = case.ask()
    assert after.whole and after.believed == honest.believed


@pytest.mark.parametrize("seed", seeds(160))
def test_whatever_happens_it_ends_and_the_next_session_is_clean(tmp_path: Path, seed: int) -> None:
    """Flips as well: values may be others then (see above), but nothing else goes wrong."""
    random = Random(seed)
    case = PLAIN_WRAPPER.made(tmp_path, *(SINGLE if seed % 2 else ()))
    request = profile_of() if seed % 4 == 0 else Registers()
    honest = case.ask(request)
    case.ask(request, Shuffler(random, random.choice((0.03, 0.2, 0.7)), honest.said if seed % 3 == 0 else ()))
    case.memory = type(case.memory)()  # what was believed may be kept: see the last test
    case.__post_init__()
    after = case.ask(request)
    assert after.whole and after.believed == honest.believed


def test_our_own_requests_are_no_answers(tmp_path: Path) -> None:
    case = PLAIN_WRAPPER.made(tmp_path)
    honest = told(case)

    class Mirror(Wire):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            await super().send(data, deadline=deadline, secret=secret)
            self._coming = [data[:2] + data[4:6] + data[2:4] + data[6:]]

    heard = case.ask(wire=Mirror)
    assert isinstance(heard.error, ProtocolError) and not heard.readings
    assert case.ask().believed == honest.believed


# -- what slips through -----------------------------------------------------------------------------------------------


def test_a_changed_value_is_believed(tmp_path: Path) -> None:
    case = PLAIN_WRAPPER.made(tmp_path)
    honest = told(case)
    volt = bytes.fromhex("06000008fc")
    (number,) = (number for number, said in enumerate(honest.said) if volt in said)
    heard = case.ask(adversary=changed(number, lambda said: said.replace(volt, bytes.fromhex("06000008fd"))))
    assert heard.whole
    assert [(essence[0], essence[3]) for essence in heard.believed - honest.believed] == [("1-0:32.7.0*255", "2301")]


def test_an_answer_of_an_earlier_session_is_believed_where_its_number_fits(tmp_path: Path) -> None:
    case = PLAIN_WRAPPER.made(tmp_path, *SINGLE)
    voltage, current = (Registers((Obis.parse(code),)) for code in ("1-0:32.7.0", "1-0:31.7.0"))
    earlier = [case.ask(voltage), case.ask(voltage)][1]
    case.ask(current)
    last = len(earlier.said) - 1
    heard = case.ask(current, changed(last, lambda _: earlier.said[last]))
    assert heard.whole
    assert [(essence[0], essence[3]) for essence in heard.believed if essence[5] == -2] == [("1-0:31.7.0*255", "2300")]
