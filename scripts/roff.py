"""Text as roff, in the macros of man(7): what scripts/man_page.py writes manual pages with.

Rules: pure; whatever text comes in comes out as that text: escapes, dashes, quotes and control lines mean nothing. What
stands between backticks is bold. Letters beyond ASCII are named by their code point, so that no device loses them.
"""

import re
from collections.abc import Iterable

_SIGNS = {"\\": "\\e", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq", "'": "\\(aq", "-": "\\-"}
_BOLD = re.compile(r"`([^`\n]+)`")


def plain(text: str) -> str:
    """The text itself, in the middle of a line."""
    return "".join(_SIGNS.get(one, one if one.isascii() else f"\\[u{ord(one):04X}]") for one in text)


def prose(text: str) -> str:
    """A paragraph: blanks are one, what is in backticks is bold."""
    parts = _BOLD.split(" ".join(text.split()))
    line = "".join(f"\\fB{plain(part)}\\fR" if number % 2 else plain(part) for number, part in enumerate(parts))
    return f"\\&{line}" if line.startswith(".") else line


def bold(text: str) -> str:
    return f"\\fB{plain(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{plain(text)}\\fR"


def title(name: str, section: int, date: str, source: str, manual: str) -> str:
    return f'.TH {name.upper()} {section} {date} "{plain(source)}" "{plain(manual)}"\n'


def section(name: str) -> str:
    return f".SH {plain(name.upper())}\n"


def subsection(name: str) -> str:
    return f'.SS "{plain(name)}"\n'


def paragraph(text: str) -> str:
    return f".PP\n{prose(text)}\n"


def entry(head: str, texts: Iterable[str]) -> str:
    """A term, as roff, and what is said of it, in paragraphs."""
    body = "\n.IP\n".join(prose(text) for text in texts if text) or "\\&"
    return f".TP\n{head}\n{body}\n"


def verbatim(text: str) -> str:
    """Lines as they are."""
    lines = [f"\\&{plain(line)}" if line[:1] in (".", "'") else plain(line) for line in text.splitlines()]
    return ".PP\n.RS 4\n.nf\n" + "\n".join(lines) + "\n.fi\n.RE\n"
