"""Czech on the command line: a word for everything that people are shown, and never one for programs."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from gatewayd.breaker import Condition
from gatewayd.channel.modem_options import CallResult, Registration
from gatewayd.cli import language, words
from gatewayd.cli.language import lang_option, said, said_count
from gatewayd.cli.plot import LEGEND
from gatewayd.cli.status_meters import meter_parts
from gatewayd.cli.status_view import parts
from gatewayd.closing import CLOCK_WRONG, DARK, NOT_ASKED, NOT_IN_METER, NOT_RUNNING
from gatewayd.closing import words as reason_of
from gatewayd.errors import ChannelError, GatewayError, MeterDiffers, MeterRefused, MeterSilent, SessionDeadline
from gatewayd.gaps import Reason
from gatewayd.model import Flag, Outcome, RawStatus
from gatewayd.publish import SinkState
from tests.gatewayd.cli.test_status import LINE, METER, MODEM, PROFILE, document
from tests.gatewayd.cli.test_status_metering import METERING

FAULTS = (None, MeterSilent(), ChannelError(), MeterRefused(), SessionDeadline(), MeterDiffers(), GatewayError())
FORMS = ("one", "few", "many")


def test_every_status_flag_outcome_and_state_has_a_word() -> None:
    assert words.STATUSES.keys() == {status.text for status in RawStatus}
    assert words.FLAGS.keys() == {text for flag in Flag for text in flag.texts}
    assert words.OUTCOMES.keys() == {outcome.value for outcome in Outcome}
    assert words.LINES.keys() >= {condition.value for condition in Condition}
    calls = {result.value for result in CallResult} | {state.name.lower() for state in Registration}
    assert calls <= words.CZECH.keys()
    states = {SinkState("a").word, SinkState("a", stopped=True).word, SinkState("a", fault="x").word}
    assert states <= words.SINKS.keys()
    reasons = {NOT_IN_METER, DARK, CLOCK_WRONG, NOT_RUNNING, NOT_ASKED, *map(reason_of, FAULTS)}
    assert reasons | {reason.value for reason in Reason} <= words.CZECH.keys()


def test_the_five_statuses_are_those_of_the_grid_code() -> None:
    """PPDS annex 5, 2.12."""
    assert list(words.STATUSES.values()) == ["skutečná", "náhradní", "předběžná", "narušená", "chybějící"]


def test_templates_have_the_same_names() -> None:
    for english, czech in words.CZECH.items():
        assert set(re.findall(r"{\w*}", english)) == set(re.findall(r"{\w*}", czech)), english
    assert all(len(forms) == len(FORMS) for forms in words.PLURALS.values())
    for name in vars(words):
        if name.isupper() and name not in ("CZECH", "PLURALS"):
            assert vars(words)[name].items() <= words.CZECH.items() | words.STATUSES.items(), name


@pytest.fixture
def in_czech(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was said, and has no translation."""
    missing: list[str] = []

    class Watched(dict[str, str]):
        def get(self, key: str, default: object = None) -> str:
            if key not in self:
                missing.append(key)
            return super().get(key, str(default))

    monkeypatch.setattr(language, "CZECH", Watched(words.CZECH))
    monkeypatch.setenv("GATEWAYD_LANG", "cs")
    yield missing


def test_everything_that_status_says_is_translated(in_czech: list[str]) -> None:
    busy = {"meter": "em-1", "line": "bus", "since": "2026-11-21T20:34:50Z", "technician": False}
    back_fill = {"reached": "2026-03-01T00:00:00Z", "goal": "2025-01-01T00:00:00Z", "percent": 60}
    lines = [
        LINE | {"under_way": [busy], "queue": 3},
        LINE | {"condition": "open", "until": "2026-11-21T20:36:05Z", "fault": "gone"},
        LINE | {"condition": "open"},
        LINE | {"condition": "half-open"},
        LINE | {"kind": "listening"},
        *[LINE] * 60,
    ]
    meters = [
        METER | {"fault": "gone", "fault_since": "2026-11-21T20:36:05Z", "left": 2},
        METER | {"profiles": [PROFILE | {"back_fill": back_fill}], "silent": True, "last_success_at": None},
        *[METER | {"id": f"m-{number}"} for number in range(60)],
    ]
    whole = document(
        lines=lines,
        meters=meters,
        faults=[{"meter": "em-1", "line": "bus", "fault": "gone"}] * 60,
        alarms=[{"meter": "em-1", "alarm": "wrong"}] * 60,
        modems=[MODEM | {"fault": "PIN", "in_doubt": True}],
        listening=[{"meter": "em-1", "line": "x", "connected": False, "last_heard_at": None}],
        configuration={"fault": "line 3"},
        archive={"path": "/a", "head": {"seq": 5}, "fault": "full", "put_aside": 1},
        metering=METERING | {"unreadable": "damaged", "last_fault": "gone"},
    )
    for one in (whole, document(running=False, at=None), document(clock={"synchronised": "no", "source": "k"})):
        parts(one, 5)
    meter_parts(document(meters=meters[:1], alarms=whole["alarms"]), "em-1")
    assert in_czech == []


def test_the_legend_of_the_chart_is_translated() -> None:
    assert LEGEND in words.CZECH


@pytest.mark.parametrize(
    ("environment", "arguments", "word"),
    [
        ({}, [], "true"),
        ({}, ["--lang", "cs"], "skutečná"),
        ({"GATEWAYD_LANG": "cs"}, [], "skutečná"),
        ({"GATEWAYD_LANG": "cs"}, ["--lang", "en"], "true"),
        ({"GATEWAYD_LANG": "de"}, [], "true"),
        ({"LANG": "cs_CZ.UTF-8"}, [], "skutečná"),
        ({"LANG": "cs_CZ.UTF-8", "LC_MESSAGES": "C.UTF-8"}, [], "true"),
        ({"LANG": "C", "LC_MESSAGES": "cs_CZ.UTF-8"}, [], "skutečná"),
        ({"LC_ALL": "C", "LC_MESSAGES": "cs_CZ.UTF-8"}, [], "true"),
        ({"LC_ALL": "C", "GATEWAYD_LANG": "cs"}, [], "skutečná"),
    ],
)
def test_who_decides_on_the_language(
    environment: dict[str, str], arguments: list[str], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEWAYD_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)

    @click.command()
    @lang_option
    def show() -> None:
        click.echo(said("true"))

    done = CliRunner(env=environment).invoke(show, arguments)
    assert (done.exit_code, done.output.strip()) == (0, word)


@pytest.mark.parametrize(("number", "text"), [(0, "0 odečtů"), (1, "1 odečet"), (4, "4 odečty"), (5, "5 odečtů")])
def test_czech_has_three_forms(number: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAYD_LANG", "cs")
    assert said_count(number, "reading") == text
    assert said_count(number, "gateway").endswith(("gateway", "gateways"))  # no word for it: in English
