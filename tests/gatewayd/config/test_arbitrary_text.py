"""Whatever the text: a configuration or a ConfigError, in bounded time; what is written is what is read."""

import contextlib
import json
import time
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatewayd.config.composer import Unreadable, compose
from gatewayd.errors import ConfigError
from tests.gatewayd.config.doubles import EVERYTHING, HEAD, parse
from tests.gatewayd.config.test_yaml_text import plain

KEYS = sorted(
    {"gateway", "archive", "lines", "meters", "sinks", "id", "type", "driver", "line", "telegram", "field", "jobs"}
    | {
        "registers",
        "profile",
        "channels",
        "points",
        "policy",
        "policies",
        "AMM",
        "every",
        "at",
        "on",
        "ratio",
        "since",
        "point",
        "eic",
        "ean",
        "unit",
        "transport",
        "port",
        "<<",
        "",
        "x y",
    }
)
VALUES = [
    *("telegram", "field", "tcp", "serial", "rtu", "broker", "database", "all", "15m", "00:05", "1", "-1", "true"),
    *("2024-05-01", "200/5", "1.8.0", "", "9" * 5000, "\u0661", "\0", "e\u0301", "859182400123456789"),
]
TREES = st.recursive(
    st.none() | st.sampled_from(VALUES) | st.text(max_size=8) | st.booleans() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=30,
)


def survives(text: str) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert error.findings
        assert all(finding.message and 0 <= finding.line <= text.count("\n") + 200 for finding in error.findings)
        assert list(error.findings) == sorted(error.findings, key=lambda finding: finding.line)
        for words in ("Input should", "pydantic", "Traceback", "Value error", "https://"):
            assert words not in str(error) or words in text


@given(st.text())
@settings(deadline=None)
@example('"\\UFFFFFFFF"')
@example('"\\ud800"')
@example("%YAML 9.9\n---\na: 1")
@example("? a\n: b")
@example("\ud800")
@example("\ufeff\ufeff")
def test_any_text(text: str) -> None:
    survives(text)


@given(st.text(alphabet="ab:-[]{},&*!|>'\"%@`#?~<\\ \n\t0\u2028\x85"))
@settings(deadline=None)
def test_any_text_of_yamls_own_characters(text: str) -> None:
    survives(text)
    with contextlib.suppress(Unreadable):
        compose(text, yaml.SafeLoader)


FRAMES = [
    "%s",
    "lines: {l: %s}",
    HEAD + "meters: %s",
    HEAD + 'meters: [{"id": "m", "driver": "field", "line": "l", "field": %s}]',
    HEAD + 'meters: [{"id": "m", "driver": "telegram", "line": "l", "jobs": [%s], "ratio": [%s]}]',
    HEAD + "sinks: [%s]",
]


@given(TREES, st.sampled_from(FRAMES))
@settings(deadline=None)
def test_any_tree(tree: Any, frame: str) -> None:
    survives(frame.replace("%s", json.dumps(tree)))


@given(st.integers(0, len(EVERYTHING)), st.integers(0, 30), st.text(max_size=3))
@settings(deadline=None)
def test_any_slip_of_the_pen(start: int, length: int, typed: str) -> None:
    survives(EVERYTHING[:start] + typed + EVERYTHING[start + length :])


CHARACTERS = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])  # beyond, JSON writes no YAML
TEXTS = st.text(CHARACTERS)
LABELS = st.text(CHARACTERS, max_size=64)  # a YAML key has at most 1024 characters
TEXT_TREES = st.recursive(
    TEXTS | st.none(), lambda inner: st.lists(inner) | st.dictionaries(LABELS, inner), max_leaves=20
)


@given(TEXT_TREES.filter(lambda tree: tree is not None))
def test_what_is_written_is_what_is_read(tree: Any) -> None:
    assert plain(compose(json.dumps(tree)).root) == tree


def test_two_thousand_meters_are_read_quickly() -> None:
    meters = "".join(
        f"  - {{id: em-{n}, driver: telegram, line: l, serial: {n:08d}, metering_type: A, "
        "point: {eic: 27ZG600Z0424987D}, ratio: [{ct: 200/5, vt: 22000/100, multiplier: 1, since: 2024-05-01}], "
        "telegram: {mode: C, vendor: generic, address: '', password_file: /etc/gatewayd/pw}, "
        "jobs: [{registers: [1-0:1.8.0, 1-0:2.8.0], every: 15m}, {registers: all, at: 00:05}]}\n"
        for n in range(2000)
    )
    begun = time.process_time()
    assert len(parse(f"{HEAD}meters:\n{meters}").meters) == 2000
    assert time.process_time() - begun < 5  # about 1 s on a desk; the margin is for slow and busy machines
