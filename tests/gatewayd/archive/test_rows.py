"""Rows that are made together are the rows that would be made one by one."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.archive import rows
from gatewayd.model import Flag, Kind, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import START, reading

_CODES = [Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0"), None]
"""The very same objects come again and again, and equal ones besides."""
_TEXTS = ["1-0:1.8.0", "".join(["1-0:", "1.8.0"]), "2.8.0"]
_MORE = [(), ("0020",), ("0000",), ("02.468*kW", "1703100930")]


_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "meter": st.just("em-2"),
        "obis": st.sampled_from([*_CODES, Obis.parse("1-0:1.8.0")]),
        "obis_raw": st.sampled_from(_TEXTS),
        "kind": st.sampled_from(Kind),
        "at": st.sampled_from([START, START + timedelta(seconds=1)]),
        "unit": st.sampled_from(["Wh", ""]),
        "scaler": st.just(3),
        "status": st.just(RawStatus.DISTORTED),
        "flags": st.sampled_from([Flag.DST, Flag.DST | Flag.POWER_DOWN]),
        "more": st.sampled_from(_MORE),
        "interval_s": st.sampled_from([900, 86_400]),
        "meter_time": st.just("07EA0B1A"),
    },
)
"""What a reading has otherwise than the others: few things, so that most of them share a series."""
_SAME = replace(reading(), obis=_CODES[0])


@given(st.lists(_CHANGES.filter(lambda changes: len(changes) <= 2), max_size=12))
def test_many_are_each_by_itself(changes: list[dict[str, object]]) -> None:
    found = [replace(_SAME, **each) for each in changes]
    assert rows.series_keys(found) == tuple(map(rows.series_key, found))
    together = rows.reading_rows(found)
    assert together == tuple(row for one in found for row in rows.reading_rows([one]))
    for one, row in zip(found, together, strict=True):
        assert row[:6] == (rows.to_us(one.at), one.raw, one.raw_text, one.scaler, int(one.status), int(one.flags))
        assert row[7] == (one.meter_time or None)
        assert (row[6] is None) == (one.more == ())
