"""Counts in texts: one is one."""

import pytest

from gatewayd.cli.plural import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (11, "11 lines")])
def test_nouns(number: int, text: str) -> None:
    assert counted(number, "line") == text


def test_nouns_with_another_plural() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
