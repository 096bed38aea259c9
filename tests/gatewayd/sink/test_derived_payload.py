"""Messages of derived values: what stands together in one, and that those of a topic keep the order of the archive."""

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.metering.values import Layer
from gatewayd.model import Archived, Point
from gatewayd.sink.derived_payload import DerivedComposer, PointTopics
from tests.gatewayd.sink.derived_samples import AT, derived, event

TOPICS = PointTopics("gatewayd", "gw-1")
LIMIT = 64 * 1024


def one(seq: int, seconds: int = 900, point: str = "north", unit: str = "kWh", eic: str = "") -> Archived:
    """A value of a length, at an instant of its own."""
    archived = derived(seq, at=AT + timedelta(minutes=15 * seq), point=point, unit=unit)
    return replace(archived, reading=replace(archived.reading, interval_s=seconds), point=Point(eic, ""))


def published(batch: list[Archived], limit: int = LIMIT) -> list[tuple[str, list[int]]]:
    """The topic of each message, and the numbers of its values."""
    found = []
    for message in DerivedComposer("gw-1", lambda: (9, None)).messages(batch, limit):
        numbers = [each.seq for each in message.readings]
        document = json.loads(message.payload)
        assert [value["seq"] for value in document.get("values", [])] in (numbers, [])
        assert (
            all(each.reading.interval_s == document.get("interval_s") for each in message.readings) or len(numbers) == 1
        )
        found.append((TOPICS.reading(message.readings[0].reading), numbers))
    return found


def test_values_of_a_series_stand_together_also_between_those_of_others() -> None:
    batch = [one(1), one(2, point="south"), one(3), one(4, point="south"), one(5)]
    assert [numbers for _, numbers in published(batch)] == [[1, 3, 5], [2, 4]]


def test_values_of_another_length_close_what_came_before_on_their_topic() -> None:
    batch = [one(1), one(2), one(3, 3600), one(4), one(5, point="south"), one(6)]
    assert [numbers for _, numbers in published(batch)] == [[1, 2], [3], [4, 6], [5]]


def test_so_do_those_of_another_unit_or_eic() -> None:
    assert [numbers for _, numbers in published([one(1), one(2, unit="Wh"), one(3)])] == [[1], [2], [3]]
    assert [numbers for _, numbers in published([one(1), one(2, eic="27ZG600Z0424987D"), one(3)])] == [[1], [2], [3]]


VALUES = st.tuples(st.sampled_from([900, 3600]), st.sampled_from(["north", "south"]), st.sampled_from(["kWh", "Wh"]))


@settings(max_examples=60, deadline=None)
@given(found=st.lists(VALUES, max_size=12), limit=st.sampled_from([LIMIT, 900]))
def test_order_holds_within_a_topic(found: list[tuple[int, str, str]], limit: int) -> None:
    batch = [one(seq, *facts) for seq, facts in enumerate(found, 1)]
    by_topic: dict[str, list[int]] = {}
    for topic, numbers in published(batch, limit):
        by_topic.setdefault(topic, []).extend(numbers)
    assert all(numbers == sorted(numbers) for numbers in by_topic.values())
    assert sorted(seq for numbers in by_topic.values() for seq in numbers) == [each.seq for each in batch]


def test_layers_and_events_have_topics_of_their_own() -> None:
    day = derived(3, layer=Layer.DAY)
    assert [numbers for _, numbers in published([one(1), event(2), day, one(4)])] == [[1, 4], [2], [3]]
