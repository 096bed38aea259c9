"""Completion scripts for bash, zsh and fish, made of the click commands.

Rules: pure; the three do the same: they walk over the words before the cursor, and look up what may come next. Words
are in the script; names of meters, lines and sinks are asked of the gateway, silently. scripts/completion.py writes the
files in packaging/completion.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import click

from gatewayd.cli.completion_shells import BASH, FISH, ZSH
from gatewayd.cli.tree import Node, nodes

_NAMES = {
    "METER": ("meters",),
    "[METER]...": ("meters",),
    "LINE": ("lines",),
    "METER|LINE": ("meters", "lines"),
    "NUMBER|METER": ("meters",),
    "POINT": ("points", "meters"),
    "[POINT]": ("points", "meters"),
    "POINT...": ("points", "meters"),
    "SINK": ("sinks",),
    "[SINK]...": ("sinks",),
}
"""What a placeholder stands for."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What may come at a place: one of `words`, a name of one of `names`, or a file; else nobody knows."""

    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    file: bool = False

    @property
    def text(self) -> str:
        """As the scripts have it: `words a b`, `names meters`, `files`, or nothing."""
        if self.words:
            return f"words {' '.join(self.words)}"
        return f"names {' '.join(self.names)}" if self.names else "files" if self.file else ""


def script(shell: str, group: click.Group) -> str:
    """The completion for a shell: bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](list(nodes(group)))


def expected(parameter: click.Parameter) -> Expected:
    """What an argument is, or the value of an option."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return Expected(words=tuple(map(str, kind.choices)))
    if isinstance(kind, click.Path):
        return Expected(file=True)
    placeholder = parameter.metavar or (parameter.name or "").upper()
    if parameter.name == "meter":  # status --meter ID and the like
        placeholder = "METER"
    return Expected(names=_NAMES.get(placeholder, ()))


def takes(option: click.Option) -> bool:
    """Whether a value follows the option in a word of its own."""
    return not option.is_flag and not option.count and option.nargs == 1 and not _optional(option)


def _optional(option: click.Option) -> bool:
    return bool((option.metavar or "").startswith("["))


# -- what all scripts have in common -----------------------------------------------------------------------------------


def _key(node: Node) -> str:
    return " ".join(node.path)


def _valued(found: list[Node]) -> Iterator[str]:
    """`path:--option` of every option behind which a value stands."""
    for node in found:
        for option in node.options:
            if takes(option):
                yield from (f"{_key(node)}:{name}" for name in (*option.opts, *option.secondary_opts))


def _steps(found: list[Node]) -> Iterator[tuple[str, str]]:
    """`path:word` and the path behind it."""
    for node in found:
        if node.path:
            yield f"{' '.join(node.path[:-1])}:{node.path[-1]}", _key(node)


def _values(found: list[Node]) -> Iterator[tuple[str, str]]:
    """`path:--option` and what its value may be."""
    for node in found:
        for option in node.options:
            text = expected(option).text
            if takes(option) and text:
                yield from ((f"{_key(node)}:{name}", text) for name in option.opts)


def _places(node: Node) -> Iterator[tuple[str, str]]:
    """Pattern of the number of arguments before, and what may be the next one."""
    for number, argument in enumerate(node.arguments):
        text = expected(argument).text
        if text:
            yield "*" if argument.nargs == -1 else str(number), text


def _flags(node: Node) -> list[tuple[str, str]]:
    """Options and their help."""
    found = [
        (name, first_sentence(option.help or "")) for option in node.options for name in option.opts if name[:2] == "--"
    ]
    return [*found, ("--help", "Show this message and exit.")]


def first_sentence(text: str) -> str:
    """Up to the first full stop, without it."""
    return " ".join(text.replace("\b", "").split()).partition(". ")[0].removesuffix(".")


# -- each of them ------------------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """For bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _case(rows: Iterator[tuple[str, str]] | list[tuple[str, str]], variable: str, indent: int) -> str:
    """Branches of `case`; those with the same outcome together."""
    groups: dict[str, list[str]] = {}
    for pattern, outcome in rows:
        groups.setdefault(outcome, []).append(pattern)
    space = " " * indent
    return "".join(
        f"{space}{' | '.join(map(_pattern, patterns))}) {variable}={_quoted(outcome)} ;;\n"
        for outcome, patterns in groups.items()
    )


def _pattern(text: str) -> str:
    return text if text == "*" else _quoted(text)


def _arguments(found: list[Node]) -> list[tuple[str, str]]:
    rows = []
    for node in found:
        if node.children:
            rows.append((f"{_key(node)}:0", f"words {' '.join(child.path[-1] for child in node.children)}"))
        rows += [(f"{_key(node)}:{place}", text) for place, text in _places(node)]
    return rows


def _argument_cases(found: list[Node], indent: int) -> str:
    space = " " * indent
    rows = _arguments(found)
    groups: dict[str, list[str]] = {}
    for pattern, text in rows:
        whole = f"{_quoted(pattern[:-1])}*" if pattern.endswith(":*") else _quoted(pattern)
        groups.setdefault(text, []).append(whole)
    return "".join(f"{space}{' | '.join(whole)}) kind={_quoted(text)} ;;\n" for text, whole in groups.items())


def _filled(template: str, found: list[Node], indent: int) -> str:
    parts = {
        "@VALUED@": " | ".join(map(_quoted, _valued(found))),
        "@STEPS@": _case(_steps(found), "at", indent),
        "@VALUES@": _case(_values(found), "kind", indent),
        "@ARGUMENTS@": _argument_cases(found, indent),
    }
    for mark, text in parts.items():
        template = template.replace(f"{' ' * indent}{mark}\n", text).replace(mark, text)
    return template


def _bash(found: list[Node]) -> str:
    rows = [(_key(node), "words " + " ".join(name for name, _ in _flags(node))) for node in found]
    return _filled(BASH.replace("            @OPTIONS@\n", _case(rows, "kind", 12)), found, 12)


def _zsh(found: list[Node]) -> str:
    rows = ""
    for node in found:
        described = " ".join(_quoted(f"{name}:{text}") for name, text in _flags(node))
        rows += f"            {_quoted(_key(node))}) described=({described}) ;;\n"
    commands = ""
    for node in found:
        if node.children:
            texts = " ".join(_quoted(f"{one.path[-1]}:{first_sentence(one.help)}") for one in node.children)
            commands += f"            {_quoted(_key(node) + ':0')}) described=({texts}) ;;\n"
    template = ZSH.replace("            @OPTIONS@\n", rows).replace("            @COMMANDS@\n", commands)
    return _filled(template, found, 12)


def _fish(found: list[Node]) -> str:
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def cases(rows: Iterator[tuple[str, str]] | list[tuple[str, str]], variable: str) -> str:
        return "".join(
            f"        case {quoted(pattern)}\n            set {variable} {quoted(text)}\n" for pattern, text in rows
        )

    def printed(rows: list[tuple[str, str]]) -> str:
        return "".join(f"            printf '%s\\t%s\\n' {quoted(name)} {quoted(text)}\n" for name, text in rows)

    options, commands = "", ""
    for node in found:
        options += f"        case {quoted(_key(node))}\n{printed(_flags(node))}"
        if node.children:
            lines = printed([(one.path[-1], first_sentence(one.help)) for one in node.children])
            commands += f"        case {quoted(_key(node) + ':0')}\n{lines}            return\n"
    parts = {
        "@VALUED@": " ".join(map(quoted, _valued(found))),
        "        @STEPS@\n": "".join(
            f"            case {quoted(step)}\n                set at {quoted(path)}\n" for step, path in _steps(found)
        ),
        "        @VALUES@\n": cases(_values(found), "kind"),
        "        @ARGUMENTS@\n": cases(_arguments(found), "kind"),
        "        @OPTIONS@\n": options,
        "        @COMMANDS@\n": commands,
    }
    text = FISH
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text
