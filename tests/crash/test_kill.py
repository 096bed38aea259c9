"""kill -9 while the gateway writes: what it said was archived is there, and the chain is whole, again and again."""

import random
import selectors
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.head import read_head
from tests.crash.rig import ROOT, chain_of, content, found, rounds, varied
from tests.gatewayd.archive.samples import PATIENCE, append, everything, opened


def killed(folder: Path, after: float) -> list[str]:
    """Let a gateway write for some seconds, then kill it; what it had said by then."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", str(folder)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                assert selector.select(PATIENCE), "the writer does not start"
            said = process.stdout.readline()
            assert said == b"open\n"
            until = time.monotonic() + after
            while time.monotonic() < until:
                said += process.stdout.readline()
        finally:
            process.kill()
        said += process.stdout.read()
    assert process.returncode == -9, "it ended by itself"
    return said[: said.rindex(b"\n")].decode().splitlines()[1:]


@pytest.mark.timeout(3600)
def test_kill_9_loses_nothing_and_breaks_no_chain(tmp_path: Path) -> None:
    chance = random.Random("kill -9")
    acknowledged: dict[int, tuple[int, str]] = {}
    for turn in range(rounds(15, 200)):
        for line in killed(tmp_path, chance.random() * 0.2):
            seq, ratio_id, raw_text = line.split(" ", 2)
            assert int(seq) not in acknowledged, f"{seq} was given twice"
            acknowledged[int(seq)] = int(ratio_id), raw_text
        head = read_head(tmp_path)
        assert head is not None
        stored = {item.seq: (item.ratio_id, item.reading.raw_text) for item in everything(tmp_path)}
        assert sorted(stored) == list(range(1, len(stored) + 1)), f"round {turn}"
        assert acknowledged.items() <= stored.items(), f"round {turn}"
        assert max(acknowledged, default=0) <= head.seq <= len(stored), f"round {turn}"
        if turn % 5 == 0:  # and after the next start in any case
            assert found(tmp_path) == (), f"round {turn}"
        if chance.random() < 0.3:
            with opened(tmp_path) as store:
                for item in append(store, varied(turn)):
                    acknowledged[item.seq] = item.ratio_id, item.reading.raw_text
    assert len(acknowledged) > 100
    assert found(tmp_path) == ()
    numbers = segments.segment_numbers(tmp_path)
    assert len(numbers) > 1
    for number in numbers:
        rows = content(segments.segment_path(tmp_path, number))
        assert chain_of(rows) == [batch[8] for batch in rows["batch"]]
    assert not (tmp_path / "quarantine").exists()
