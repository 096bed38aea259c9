"""Rules of udev, worked out for devices that are not here: as much of udev(7) as our rules use, and not a word more.

Rules: what is not understood is an error, so that a mistake in a rule is found; udev itself would only log it, and
Debian 12 has no `udevadm verify`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

_TOKEN = re.compile(r'\s*([A-Z]+)(?:\{([A-Za-z0-9_.]+)\})?\s*(==|!=|\+=|=)\s*"([^"]*)"\s*(,|$)')
_MATCHES = {"ACTION", "SUBSYSTEM", "KERNEL"}
_SUBSTITUTION = re.compile(r"\$env\{([A-Za-z0-9_.]+)\}|(\$kernel)|[$%]")


@dataclass(slots=True)
class Device:
    """What is known of it before, and what the rules made of it."""

    subsystem: str = "tty"
    action: str = "add"
    kernel: str = "ttyUSB0"
    env: dict[str, str] = field(default_factory=dict)
    attr: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    """GROUP, MODE, OWNER."""


@dataclass(frozen=True, slots=True)
class Token:
    key: str
    name: str
    operator: str
    value: str


def parsed(text: str) -> list[list[Token]]:
    """The rules, each a list of its tokens; ValueError for what is none."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        tokens, at = [], 0
        while at < len(line):
            found = _TOKEN.match(line, at)
            if found is None or (found[5] == "," and not line[found.end() :].strip()):
                raise ValueError(f"line {number}: {line[at:]!r} is no part of a rule")
            tokens.append(Token(found[1], found[2] or "", found[3], found[4]))
            at = found.end()
        rules.append(tokens)
    return rules


def apply(rules: list[list[Token]], device: Device) -> Device:
    """Work them off, one after the other."""
    label: str | None = None
    for tokens in rules:
        labels = [token.value for token in tokens if token.key == "LABEL"]
        if label is not None and label not in labels:
            continue
        label = None
        if all(_holds(token, device) for token in tokens if token.operator in ("==", "!=")):
            for token in tokens:
                if token.operator in ("=", "+="):
                    label = _do(token, device) or label
    if label is not None:
        raise ValueError(f"GOTO {label} leads nowhere")
    return device


def _holds(token: Token, device: Device) -> bool:
    values: Mapping[str, str] = {"ENV": device.env, "ATTR": device.attr, "ATTRS": device.attr}.get(token.key, {})
    if token.key in ("ENV", "ATTR", "ATTRS"):
        value = values.get(token.name, "")
    elif token.key in _MATCHES:
        value = {"ACTION": device.action, "SUBSYSTEM": device.subsystem, "KERNEL": device.kernel}[token.key]
    else:
        raise ValueError(f"{token.key} is nothing to compare with")
    return any(fnmatchcase(value, pattern) for pattern in token.value.split("|")) is (token.operator == "==")


def _do(token: Token, device: Device) -> str | None:
    """The label of a GOTO."""
    match token.key:
        case "GOTO":
            return token.value
        case "LABEL":
            return None
        case "ENV":
            device.env[token.name] = _substituted(token.value, device)
        case "SYMLINK" if token.operator == "+=":
            device.links.append(_substituted(token.value, device))
        case "GROUP" | "MODE" | "OWNER" if token.operator == "=":
            device.given[token.key] = token.value
        case _:
            raise ValueError(f"{token.key}{token.operator} is not understood")
    return None


def _substituted(text: str, device: Device) -> str:
    def value(found: re.Match[str]) -> str:
        if found[2] is not None:
            return device.kernel
        if found[1] is None:
            raise ValueError(f"{text!r}: only $env{{}} and $kernel are understood")
        return device.env.get(found[1], "")

    return _SUBSTITUTION.sub(value, text)
