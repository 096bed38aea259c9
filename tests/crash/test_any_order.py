"""Archiving, sealing, crashes, tampering, retention and new starts in any order (Hypothesis).

What must hold all the time: acknowledged readings are stored as they were acknowledged; sequence numbers rise without
a hole, unless a damaged segment was put aside; `verify` finds nothing unless somebody tampered, and something from
then on.
"""

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gatewayd.archive import segments
from gatewayd.archive.retention import Limits
from gatewayd.archive.store import Store
from gatewayd.model import Archived
from tests.crash.rig import Clock, audits, content, copied, found, rounds, seal, tamper, varied
from tests.gatewayd.archive.samples import append, everything, submit, written


class Gateway(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="archive-"))
        self.copies = itertools.count()
        self.folder = self.root / "first"
        self.clock = Clock()
        self.acknowledged: dict[int, Archived] = {}
        self.aside: set[int] = set()
        self.tampered = False
        self.store = self.started()

    def started(self) -> Store:
        store = Store(self.folder, "gw-1", self.clock, group_seconds=0.0)
        store.open()
        return store

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    def keep(self, items: tuple[Archived, ...]) -> None:
        for item in items:
            assert item.seq == max(self.acknowledged, default=0) + 1, "the numbers rise by one"
            self.acknowledged[item.seq] = item

    @rule(number=st.integers(0, 20))
    def archive(self, number: int) -> None:
        self.keep(append(self.store, varied(number)))

    @rule(numbers=st.lists(st.integers(0, 20), min_size=2, max_size=5))
    def archive_several(self, numbers: list[int]) -> None:
        for future in [submit(self.store, varied(number)) for number in numbers]:
            self.keep(written(future))

    @rule(seconds=st.sampled_from([1, 59, 61, 3600, 40 * 86400, -3600]))
    def time_goes_on(self, seconds: int) -> None:
        self.clock.go_on(seconds)

    @rule()
    def seal(self) -> None:
        seal(self.store)

    @rule()
    def start_again(self) -> None:
        self.store.close()
        self.store = self.started()

    @rule()
    def crash(self) -> None:
        """The files go on as they are now; of the process nothing goes on."""
        to = copied(self.folder, self.root / f"copy-{next(self.copies)}")
        self.store.close()
        self.folder = to
        self.store = self.started()

    @rule(back=st.integers(1, 2))
    def cut(self, back: int) -> None:
        """Crash, and lose the journal; the gateway notices by the head when there was anything in it."""
        to = copied(self.folder, self.root / f"copy-{next(self.copies)}")
        self.store.close()
        self.folder = to
        number = segments.segment_numbers(to)[-1]
        before = len(list((to / "quarantine").glob("*")))
        path = segments.segment_path(to, number)
        journal = path.with_name(path.name + "-wal")
        size = journal.stat().st_size if journal.exists() else 0
        if size:
            with journal.open("r+b") as file:
                file.truncate(0 if back == 2 else size // 2)
        self.store = self.started()
        after = sorted((to / "quarantine").glob("*"))
        if len(after) > before:
            self.tampered = True
            gone = {seq for seq, item in self.acknowledged.items() if item not in set(everything(to))}
            assert gone or audits(to, "segment-quarantined")
            self.aside |= gone

    @precondition(lambda self: self.acknowledged.keys() - self.aside)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """Somebody changes a reading while the gateway is off."""
        seq = data.draw(st.sampled_from(sorted(self.acknowledged.keys() - self.aside)))
        self.store.close()
        for number in segments.segment_numbers(self.folder):
            path = segments.segment_path(self.folder, number)
            if seq in [row[0] for row in content(path)["reading"]]:
                mode = path.stat().st_mode
                tamper(path, ("UPDATE reading SET raw_text = raw_text || '1' WHERE seq = ?", (seq,)))
                path.chmod(mode)
                assert any(finding.segment == number and finding.batch for finding in found(self.folder))
                self.tampered = True
                self.aside.add(seq)
        self.store = self.started()

    @rule(days=st.integers(0, 90))
    def prune(self, days: int) -> None:
        """Old segments go; what went is no longer expected, and the rest still is."""
        delivered = max(self.acknowledged, default=0) * 2 // 3
        before = self.clock() - days * 86400 * 1_000_000
        asyncio.run(self.store.prune(Limits(before, 0, {"mqtt": delivered})))
        kept = segments.segment_numbers(self.folder)[0]
        first = content(segments.segment_path(self.folder, kept))["segment"][0][8]
        assert isinstance(first, int)
        gone = {seq for seq in self.acknowledged if seq <= first} - self.aside
        assert all(seq <= delivered for seq in gone)
        self.aside |= gone

    @invariant()
    def everything_acknowledged_is_there(self) -> None:
        assert self.store.fault == ""
        stored = {item.seq: item for item in everything(self.folder)}
        for seq, item in self.acknowledged.items():
            assert seq in self.aside or stored[seq] == item
        assert stored.keys() <= self.acknowledged.keys()
        assert self.store.head == max(self.acknowledged, default=0)
        if not self.tampered:
            first = min(stored, default=1)
            assert list(stored) == list(range(first, first + len(stored)))

    @invariant()
    def verify_tells(self) -> None:
        assert bool(found(self.folder)) == self.tampered


TestAnyOrder = Gateway.TestCase
TestAnyOrder.settings = settings(
    max_examples=rounds(12, 400),
    stateful_step_count=rounds(15, 30),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder.pytestmark = [pytest.mark.timeout(3600)]  # type: ignore[attr-defined]
