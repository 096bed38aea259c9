"""kill -9 while ciphered registers are read every second: no invocation counter is ever sent twice.

One number used twice with the same key and title breaks AES-GCM, and a meter takes rising numbers only: what it has
accepted over all kills rises strictly, and it has never refused one.
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests.crash.rig import rounds
from tests.system.dlms_rig import DlmsMeter, Manner, is_total_now, one_meter
from tests.system.forked import Forked, running

GMAC = Manner("wrapper", "hls-gmac", "authenticated-encrypted")
SEED = 20261127
LINES = 8
"""So many of its own lines a meter writes before a session is half over: a kill comes behind a random one of them."""
LONGEST_S = 0.4
"""So long a command starts, about."""


def of_messages(meter: DlmsMeter) -> list[int]:
    return [int(line.split()[1]) for line in meter.heard("counter ") if line.split()[1].isdigit()]


def of_proofs(meter: DlmsMeter) -> list[int]:
    return [int(line.split()[2]) for line in meter.heard("hls counter ")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("manner", [GMAC, Manner("hdlc", "low", "encrypted")], ids=lambda manner: manner.name)
@pytest.mark.parametrize("command", ["read", "run"])
def test_no_counter_is_used_twice_over_kills(tmp_path: Path, manner: Manner, command: str) -> None:
    chance = random.Random(f"{SEED} {manner.name} {command}")
    more = ("response_timeout_s: 1", "counter_object: none")  # what the gateway remembers has to do, without the meter
    arguments = ("read", "em-1", "1-0:1.8.0") if command == "read" else ("run",)
    in_a_session = 0
    with one_meter(tmp_path, manner, more=more) as (site, meter):
        site.site.config.write_text(site.site.config.read_text().replace("every: 1h", "every: 1s"))
        for number in range(rounds(25, 100)):
            # Two kills behind each other before the keys were accepted, and the meter is left alone until a person
            # has looked at them (gatewayd/refusals.py): that is what this person does.
            os.utime(meter.secrets.folder / "gek", ns=(1_800_000_000_000_000_000 + number,) * 2)
            heard = len(meter.heard())
            with running(site.said, "gatewayd", "-c", str(site.site.config), *arguments) as gateway:
                if command == "run" or chance.random() < 0.8:
                    _wait_until_heard(meter, heard + chance.randint(1, LINES), gateway)
                else:  # killed while it starts, or whenever
                    time.sleep(chance.uniform(0, LONGEST_S))
            own = [line for line in meter.heard()[heard:] if line != "disconnected"]
            in_a_session += bool(own) and own[-1] not in ("release", "disc")
        read = site.json("read", "em-1", "1-0:1.8.0")["readings"]
        messages, proofs, refused = of_messages(meter), of_proofs(meter), meter.heard("counter refused")
        healthy = site.json("archive", "verify")["ok"]
    assert is_total_now(read)
    assert refused == []
    assert messages == sorted(set(messages)), "strictly rising"
    assert not set(messages) & set(proofs) and len(proofs) == len(set(proofs))
    assert in_a_session >= 5, f"only {in_a_session} kills hit a session in the middle"
    assert healthy


def _wait_until_heard(meter: DlmsMeter, lines: int, gateway: Forked) -> None:
    """A daemon begins at the next second; the kill is to come in its session, at whatever speed that goes."""
    deadline = time.monotonic() + 10
    while len(meter.heard()) < lines:
        assert gateway.process.exitcode in (None, 0), gateway.errors.read_text()
        assert time.monotonic() < deadline, "nobody has called on the meter"
        time.sleep(0.001)
