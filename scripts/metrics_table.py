"""Writes the table of metrics into docs/monitoring.md: `python -m scripts.metrics_table`.

A test compares the page with the code, so that it cannot lag behind.
"""

from pathlib import Path

from gatewayd.daemon.metric_names import FAMILIES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "monitoring.md"
_BEGIN, _END = "<!-- metrics, written by python -m scripts.metrics_table -->\n", "<!-- end of metrics -->\n"


def table() -> str:
    """One row for each family."""
    rows = [
        f"| `{one.name}` | {one.type.value} | {', '.join(f'`{label}`' for label in one.labels)} | {one.help} |"
        for one in FAMILIES
    ]
    return "\n".join(("| name | type | labels | what it says |", "|---|---|---|---|", *rows, ""))


def page(text: str) -> str:
    """The page with the table in its place."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + table() + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
