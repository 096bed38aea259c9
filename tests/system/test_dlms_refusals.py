"""Wrong passwords and keys are not tried until a meter locks; a counter that has fallen behind is put right, upward.

Rules: what was sent is what the meter's journal says, not what the gateway says.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.rig import FULL
from tests.system.dlms_rig import (
    BLOCK_KEY,
    PASSWORD,
    DlmsMeter,
    Manner,
    Secrets,
    dlms_meter,
    gateway,
    is_total_now,
    one_meter,
)

BOTH = "authenticated-encrypted"
WRONG_PASSWORD, WRONG_KEY = "Verkehrt-5188", BLOCK_KEY[:-1] + "0"
QUICKLY = ("response_timeout_s: 1",)


def wrong(folder: Path, manner: Manner) -> Secrets:
    """What the gateway has: another password where there is one, else another key."""
    made = Secrets(folder / "wrong")
    if manner.wants_password:
        return replace(made, password=WRONG_PASSWORD).written()
    return replace(made, block_key=WRONG_KEY).written()


def put_right(secrets: Secrets) -> None:
    """A person writes the right ones into the files."""
    Secrets(secrets.folder, PASSWORD, BLOCK_KEY).written()
    for file in secrets.folder.iterdir():
        os.utime(file, ns=(1_800_000_000_000_000_000,) * 2)


def tries(meter: DlmsMeter) -> int:
    """How often client 1 has tried to associate."""
    return len(meter.heard("aarq 1 "))


@pytest.mark.parametrize(
    ("manner", "most"),
    [
        # What a plain message says is the meter's word. Where messages are ciphered, a plain one may be anybody's:
        # that is tried once more, and no third time.
        (Manner("hdlc", "low"), 1),
        (Manner("wrapper", "hls-md5"), 1),
        *([(Manner("hdlc", "hls-sha1"), 1), (Manner("wrapper", "hls-sha256"), 1)] if FULL else []),
        (Manner("hdlc", "hls-gmac"), 1),
        (Manner("wrapper", "low", BOTH), 2),
        (Manner("wrapper", "hls-gmac", BOTH), 2),
        (Manner("hdlc", "none", "encrypted"), 2),
    ],
    ids=lambda value: value.name if isinstance(value, Manner) else "",
)
def test_what_is_wrong_is_left_alone_until_its_file_changes(tmp_path: Path, manner: Manner, most: int) -> None:
    secrets = wrong(tmp_path, manner)
    with one_meter(tmp_path, manner, more=QUICKLY, secrets=secrets) as (site, meter):
        for _ in range(most):
            done = site.run("read", "em-1", "1-0:1.8.0")
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert line.startswith("meter em-1 on line em-1-line "), line
            assert "left alone" not in line
        assert tries(meter) == most
        heard = meter.heard()
        for command in (("read", "em-1", "1-0:1.8.0"), ("clock", "em-1")):
            alone = site.run(*command)
            assert (alone.returncode, "left alone" in alone.stderr) == (1, True), alone.stderr
            assert "em-1" in alone.stderr and "when the file of its password or keys has changed" in alone.stderr
        assert meter.heard() == heard, "nobody has called on it"
        put_right(secrets)
        assert is_total_now(site.json("read", "em-1", "1-0:1.8.0")["readings"])
        assert is_total_now(site.json("read", "em-1", "1-0:1.8.0")["readings"])


def test_a_forged_word_does_not_lock_out_what_was_right(tmp_path: Path) -> None:
    """The keys are right, one session goes wrong: the next one works, and then it may go wrong again."""
    manner = Manner("wrapper", "hls-gmac", BOTH)
    faults = ("--fault", "plaintext-reply:1", "--fault", "tampered-tag:2")
    with one_meter(tmp_path, manner, *faults, more=(*QUICKLY, "counter_object: none")) as (site, _):
        assert [site.run("read", "em-1", "1-0:1.8.0").returncode for _ in range(4)] == [1, 1, 0, 0]


# -- counters ----------------------------------------------------------------------------------------------------------

CIPHERED = Manner("hdlc", "hls-gmac", BOTH)


def taken(meter: DlmsMeter) -> list[int]:
    """The counters of messages that the meter has accepted, in its order."""
    return [int(line.split()[1]) for line in meter.heard("counter ") if line.split()[1].isdigit()]


def used(meter: DlmsMeter) -> list[int]:
    """The same with those of GMAC proofs, which use the same key."""
    return [int(line.split()[-1]) for line in meter.heard("counter ")]


AHEAD = [CIPHERED, Manner("wrapper", "none", BOTH), Manner("wrapper", "hls-gmac")]


@pytest.mark.parametrize("manner", AHEAD, ids=lambda manner: manner.name)
def test_a_meter_that_is_ahead(tmp_path: Path, manner: Manner) -> None:
    """Another client with our keys, or an archive of last week: the meter wants higher numbers than ours."""
    kept = ("--counter-file", str(tmp_path / "counters"))
    for start in ("0", "70000"):
        with one_meter(tmp_path, manner, "--counter-start", start, *kept, more=QUICKLY) as (site, meter):
            for _ in range(2):
                assert is_total_now(site.json("read", "em-1", "1-0:1.8.0")["readings"])
            numbers = taken(meter)
    assert numbers == sorted(set(numbers))
    assert sum(number > 70_000 for number in numbers) >= 2
    assert len(meter.heard("counter refused")) <= 1, "asked once with a number that was too low"


@pytest.mark.parametrize("more", [(), ("counter_object: none",)], ids=["counter object", "meter's refusal"])
def test_a_gateway_without_memory(tmp_path: Path, more: tuple[str, ...]) -> None:
    """A new archive, and a meter that has heard this client 4,000 times."""
    with one_meter(tmp_path, CIPHERED, "--counter-start", "4000", more=(*QUICKLY, *more)) as (site, meter):
        assert is_total_now(site.json("read", "em-1", "1-0:1.8.0")["readings"])
        numbers = taken(meter)
    assert numbers == sorted(set(numbers)) and numbers[0] > 4000


def test_a_counter_that_is_not_believed(tmp_path: Path) -> None:
    """Nothing proves what the meter says of it: a liar must not use up our numbers."""
    with one_meter(tmp_path, CIPHERED, "--counter-start", "3000000000", more=QUICKLY) as (site, meter):
        done = site.run("read", "em-1", "1-0:1.8.0")
        assert done.returncode == 1
        assert "meter em-1 on line em-1-line" in done.stderr and "counter_cap" in done.stderr
        assert taken(meter) == []


def test_two_gateways_of_one_archive_never_share_a_number(tmp_path: Path) -> None:
    """Two meters with the same keys and title: their numbers come out of one store."""
    secrets = Secrets(tmp_path / "shared").written()
    with (
        dlms_meter(tmp_path, "em-1", CIPHERED, secrets=secrets) as one,
        dlms_meter(tmp_path, "em-2", CIPHERED, secrets=secrets) as two,
    ):
        site = gateway(tmp_path, [one.entry(), two.entry()], one, two)
        for _ in range(2):
            for name in ("em-1", "em-2"):
                assert is_total_now(site.json("read", name, "1-0:1.8.0")["readings"])
    numbers = used(one) + used(two)
    assert len(numbers) == len(set(numbers)) > 8
