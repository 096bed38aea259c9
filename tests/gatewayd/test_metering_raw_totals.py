"""Which codes the raw archive is asked for as totals: those that are totals to the rules of metering, of all media."""

import apsw

from gatewayd.daemon.metering_raw import totals
from gatewayd.metering.sources import Source, source_of
from gatewayd.obis import Obis


def test_the_condition_of_the_query_is_that_of_the_rules() -> None:
    """Of electricity the counters of hours (C from 94 on) come along, and whoever asked passes over them."""
    every = [Obis(a, 0, c, d, d % 3) for a in range(10) for c in range(100) for d in range(34)]
    with apsw.Connection(":memory:") as connection:
        connection.execute("CREATE TABLE code (number INTEGER, obis TEXT)")
        connection.executemany("INSERT INTO code VALUES (?, ?)", [(n, str(one)) for n, one in enumerate(every)])
        there = {every[n] for (n,) in connection.execute(f"SELECT number FROM code WHERE {totals('obis')}")}
    wanted = {one for one in every if source_of(one) is Source.TOTAL}
    assert wanted and wanted <= there
    assert {(one.a, one.c in (0, *range(94, 100)), one.d) for one in there - wanted} == {(1, True, 8)}
