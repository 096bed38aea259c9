"""Writes the tables of rules into docs/metering/validation.md: `python -m scripts.validation_rules`.

Rules: only what stands between the marks is written; a test compares it with findings.py, rules.py,
accuracy.py and verification.py of gatewayd/metering; what parameters mean says gatewayd/config/validation.py.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import get_args

from gatewayd.config.validation import RuleEntry, ValidationEntry
from gatewayd.metering.accuracy import CLASSES
from gatewayd.metering.findings import EFFECTS, RULES, Rule, Severity
from gatewayd.metering.rules import options
from gatewayd.metering.verification import NOTES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metering" / "validation.md"
COMMON = ("enabled", "severity")


def meaning(rule: Rule, name: str) -> str:
    """What a parameter means, in the words of the configuration (gatewayd/config/validation.py)."""
    entry = next(
        one
        for one in get_args(ValidationEntry.model_fields[rule.value].annotation)
        if isinstance(one, type) and issubclass(one, RuleEntry)
    )
    said = (entry.model_fields[name].description or "").rstrip(".")
    return said[:1].lower() + said[1:]


def rules() -> str:
    """The severities, then the rules, the most severe first."""
    severities = [*reversed(Severity)]
    head = "".join(f"* **{severity.value}**: {EFFECTS[severity]}\n" for severity in severities)
    rows = "".join(
        f"| `{rule.value}` | {severity.value} | {one.meaning} | {', '.join(f'`{text}`' for text in one.flag.texts)} |\n"
        for severity in severities
        for rule, one in RULES.items()
        if one.severity is severity
    )
    return f"{head}\n| rule | severity | what should be so | flag |\n|---|---|---|---|\n{rows}"


def parameters() -> str:
    """The parameters that only one rule has."""
    rows = "".join(
        f"| `{rule.value}` | `{name}` | {_text(default)} | {meaning(rule, name)} |\n"
        for rule in Rule
        for name, _, default in options(rule)
        if name not in COMMON
    )
    return f"| rule | parameter | default | meaning |\n|---|---|---|---|\n{rows}"


def classes() -> str:
    """The accuracy classes."""
    percents = sorted({one.percent for one in CLASSES.values()})
    rows = "".join(
        f"| {', '.join(name for name, one in CLASSES.items() if one.percent == percent)} | {percent} % "
        f"| {_limit(percent)} kWh |\n"
        for percent in percents
    )
    return f"| class | permissible error | limit for 10 000 kWh |\n|---|---|---|\n{rows}"


def _limit(percent: Decimal) -> str:
    one = next(one for one in CLASSES.values() if one.percent == percent)
    return format(one.twice(Decimal(10000)).normalize(), "f")


def notes() -> str:
    """What the rules of metering say."""
    return "".join(f"* {note.text} *({note.source})*\n" for note in NOTES)


def _text(default: object) -> str:
    if isinstance(default, bool | Enum):
        return str(default).lower()
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


TABLES: dict[str, Callable[[], str]] = {"rules": rules, "parameters": parameters, "classes": classes, "notes": notes}


def page(text: str) -> str:
    """The page with the tables as they are now."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: python -m scripts.validation_rules -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{table()}{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
