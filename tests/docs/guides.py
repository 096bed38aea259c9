"""What the guides hold that can be tried: code blocks, commands of gatewayd, quoted texts.

Rules: knows Markdown as these pages use it (fenced and indented blocks, code spans), and nothing of gatewayd.
A command is what a reader would type: behind `$ ` in a block that shows output, else a whole line.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "mqtt" / "README.md"),
    *sorted((ROOT / "drivers").glob("*/README.md")),
]

_PROMPT = re.compile(r"^(?:[$#] )?(?:sudo (?:-u \w+ )?)?(?:/\S+/)?gatewayd (?=\S)")
_SPAN = re.compile(r"`gatewayd(\s[^`]+)`")
_ENDS = ("|", ">", ">>", "&&", ";", "&")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of a page: its language ("" where it says none), the number of its first line, its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """What stands behind `gatewayd`; `whole` when it can be typed as it is, and is no mention in a sentence."""

    name: str
    words: tuple[str, ...]
    whole: bool


def blocks(page: Path) -> Iterator[Block]:
    """All code blocks, fenced and indented."""
    name = str(page.relative_to(ROOT))
    language, begin, held = "", 0, list[str]()
    inside, blank = "", True
    for number, line in enumerate([*page.read_text(encoding="utf-8").splitlines(), ""], 1):
        fence = line.startswith("```")
        if inside == "fence" and fence:
            yield Block(name, begin, language, "\n".join(held) + "\n")
            inside = ""
        elif inside == "fence":
            held.append(line)
        elif fence:
            inside, language, begin, held = "fence", line[3:].strip(), number + 1, []
        elif inside == "indent" and (line.startswith("    ") or not line.strip()) and line != "":
            held.append(line[4:])
        elif inside == "indent":
            yield Block(name, begin, "", "\n".join(held) + "\n")
            inside = ""
        elif line.startswith("    ") and (blank or page.name != "README.md"):
            inside, begin, held = "indent", number, [line[4:]]
        blank = not line.strip()


def commands(page: Path) -> Iterator[Command]:
    """All commands of gatewayd, of blocks and of code spans."""
    name = str(page.relative_to(ROOT))
    outside = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in ("", "sh", "console"):
            yield from _typed(block)
    outside = re.sub(r"^```.*?^```$", "", outside, flags=re.DOTALL | re.MULTILINE)
    for span in _SPAN.findall(outside):
        yield Command(f"{name}: gatewayd {' '.join(span.split())}", tuple(_split(" ".join(span.split()))), whole=False)


def _typed(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    shown = any(line.startswith("$ ") for line in lines)
    for number, line in enumerate(lines, block.line):
        if (match := _PROMPT.match(line)) and (line.startswith("$ ") or not shown):
            yield Command(f"{block.page}:{number}: {line}", tuple(_split(line[match.end() :])), whole=True)


def _split(text: str) -> Iterator[str]:
    """The words up to a pipe, another command, or a comment."""
    for word in shlex.split(text, comments=True):
        if word in _ENDS:
            return
        yield word.removesuffix(";")
        if word.endswith(";"):
            return
