"""The manual pages: those of the code as it is, and roff that neither groff nor mandoc finds fault with."""

import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.cli import gatewayd
from gatewayd.cli.tree import nodes
from scripts import roff
from scripts.man_page import FOLDER, pages

NAMES = ("gatewayd.1", "gatewayd.yaml.5")


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; run: apt-get install {package}")
    return found


def shown(text: str) -> str:
    """What a terminal shows of roff, in one line."""
    done = subprocess.run(
        [program("groff", "groff-base"), "-man", "-ww", "-Tutf8", "-P-c", "-rLL=2000n"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_fresh(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == pages()[name], "run: python -m scripts.man_page"


@pytest.mark.parametrize("name", NAMES)
def test_nobody_finds_fault_with_it(name: str) -> None:
    lint = subprocess.run(
        [program("mandoc", "mandoc"), "-T", "lint", "-W", "warning", str(FOLDER / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert lint.stdout + lint.stderr == ""
    assert shown((FOLDER / name).read_text(encoding="ascii"))


def test_every_command_and_option_is_on_the_page() -> None:
    text = (FOLDER / "gatewayd.1").read_text(encoding="ascii")
    for node in nodes(gatewayd):
        if not node.children:
            assert f'.SS "{roff.plain(" ".join(("gatewayd", *node.path)))}' in text
        for option in node.options:
            assert roff.bold(option.opts[-1]) in text


_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")) | st.sampled_from(".'\\\"-`^~%"), min_size=1
)


@given(st.lists(_TEXTS.map(lambda text: text.replace("`", "")).filter(bool), min_size=1, max_size=4))
@example([".TH", "'br"])
@example(["'br", "\\fB"])
def test_text_means_nothing_to_roff(words: list[str]) -> None:
    """Whatever stands in a help text, no line of it is a request, and no escape is one."""
    line = roff.prose(" ".join(words))
    assert line.isascii() and not line.startswith((".", "'"))
    rest = line.removeprefix("\\&")
    for sign, name in (("\\[u", "]"),):
        while (place := rest.find(sign)) >= 0:
            end = rest.index(name, place)
            rest = rest[:place] + chr(int(rest[place + 3 : end], 16)) + rest[end + 1 :]
    for escape, sign in (("\\(ha", "^"), ("\\(ti", "~"), ("\\(dq", '"'), ("\\(aq", "'"), ("\\-", "-"), ("\\e", "\\")):
        rest = rest.replace(escape, sign)
    assert rest == " ".join(words)


def test_what_groff_shows_is_the_text() -> None:
    text = '\'.SH \\fBno\\fR -- ~^"x" Ω číslo .TH'
    assert text in shown(roff.title("x", 1, "2026-11-27", "x", "x") + roff.section("x") + roff.prose(text) + "\n")
