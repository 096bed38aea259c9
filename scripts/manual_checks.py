"""Writes the table of checks into docs/manual-readings.md: `python -m scripts.manual_checks`.

Rules: only what stands between the two marks is written; a test compares it with gatewayd/manual/findings.py.
"""

from pathlib import Path

from gatewayd.manual.findings import CHECKS, EFFECTS, Severity

PAGE = Path(__file__).resolve().parents[1] / "docs" / "manual-readings.md"
BEGIN, END = "<!-- checks: python -m scripts.manual_checks -->\n", "<!-- end of checks -->\n"


def table() -> str:
    """The severities, then the checks, the most severe first."""
    severities = [*reversed(Severity)]
    head = "".join(f"* **{severity.value}**: {EFFECTS[severity]}\n" for severity in severities)
    rows = "".join(
        f"| `{check.text}` | {severity.value} | {rule.meaning} |\n"
        for severity in severities
        for check, rule in CHECKS.items()
        if rule.severity is severity
    )
    return f"{head}\n| check | severity | what has to hold |\n|---|---|---|\n{rows}"


def page(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
