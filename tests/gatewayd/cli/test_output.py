"""What is printed on terminals of any width: nothing is cut off, and nothing is coloured that nobody sees."""

import io
import threading
import time

import pytest
from rich.table import Table
from rich.text import Text

from gatewayd.cli import progress
from gatewayd.cli.output import Screen, console, print_lines, print_table


def terminal(width: int) -> Screen:
    return Screen(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)


def shown(screen: Screen) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.fixture
def table() -> Table:
    made = Table(box=None, pad_edge=False)
    made.add_column("time", no_wrap=True)
    made.add_column("number", no_wrap=True, justify="right")
    made.add_column("remark", overflow="fold")
    made.add_row("2026-11-27 14:54:07+0100", "1234567890", Text("a remark that may be folded where there is no room"))
    return made


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_table_keeps_every_character(table: Table, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(width)
    made = Screen.__init__

    def same_file(self: Screen, **options: object) -> None:
        made(self, file=screen.file, force_terminal=True, color_system=None, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Screen, "__init__", same_file)
    print_table(screen, table)
    text = shown(screen)
    assert "2026-11-27 14:54:07+0100" in text and "1234567890" in text and "…" not in text
    letters = "".join(text.partition("\n")[2].split())
    assert sorted(letters) == sorted("2026-11-2714:54:07+01001234567890aremarkthatmaybefoldedwherethereisnoroom")


def test_lines_are_broken_between_words_on_a_terminal_and_never_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    screen = terminal(20)
    print_lines(screen, "a line that is [too] long for it")
    assert shown(screen).splitlines() == ["a line that is [too]", "long for it"]
    print_lines(console(), "word " * 100)
    assert capsys.readouterr().out == "word " * 100 + "\n"


@pytest.mark.parametrize(
    ("term", "no_color", "coloured"), [("xterm", "", True), ("xterm", "1", False), ("dumb", "", False)]
)
def test_no_colours_where_nobody_wants_them(
    term: str, no_color: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    file = io.StringIO()
    Screen(file=file, force_terminal=True).print(Text("true", style="green"))
    assert ("\x1b[32m" in file.getvalue()) == coloured


def test_a_long_wait_is_told_on_a_terminal_and_wiped_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(80)
    monkeypatch.setattr(progress, "console", lambda **_: screen)
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    with progress.patience("counting"):
        until = time.monotonic() + 10
        while "counting: 0 s" not in shown(screen) and time.monotonic() < until:
            threading.Event().wait(0.01)
    assert "counting: 0 s" in shown(screen)
    assert shown(screen).rpartition("counting")[2].count("\x1b[2K") >= 1


def test_in_a_pipe_a_wait_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(file=io.StringIO(), force_terminal=False)
    monkeypatch.setattr(progress, "console", lambda **_: screen)
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    threads = threading.active_count()
    with progress.patience("counting"):
        assert threading.active_count() == threads
    assert shown(screen) == ""
