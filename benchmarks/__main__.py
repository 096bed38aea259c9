"""Runs benchmarks: `python -m benchmarks [--json] [NAME...]`, all of them without a name.

Rules: the results go to standard output, as a table or as one JSON document; progress goes to standard error. Exit 1
when a bound is missed or a benchmark found nothing to measure, 2 for a name that does not exist.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from benchmarks.result import Result

Run = Callable[[], list[Result]]


def find(package: str = "benchmarks") -> dict[str, Run]:
    """The benchmarks of a package by name: its modules that have a function `run`."""
    root = importlib.import_module(package)
    found: dict[str, Run] = {}
    for info in pkgutil.iter_modules(root.__path__):
        if info.name.startswith("_"):
            continue
        run = getattr(importlib.import_module(f"{package}.{info.name}"), "run", None)
        if callable(run):
            found[info.name] = run
    return found


def table(results: Iterable[Result]) -> str:
    """The results as columns: what, measured, reference, ratio, bound, verdict."""
    rows = [("what", "measured", "reference", "ratio", "bound", "")]
    rows += [
        (
            result.name,
            f"{result.measured:.4g} {result.unit}".rstrip(),
            f"{result.reference:.4g} {result.unit}".rstrip(),
            f"{result.ratio:.3g}",
            result.bound,
            "ok" if result.ok else "FAIL",
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def main(arguments: Sequence[str] | None = None, package: str = "benchmarks") -> int:
    """Run what was asked for and print it; the return value is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios beside their bounds.")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all of them without a name")
    options = parser.parse_args(arguments)
    known = find(package)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known) or 'none'}", file=sys.stderr)
        return 2

    results: list[Result] = []
    ok = True
    for name in options.names or known:
        print(f"{name} ...", file=sys.stderr)
        measured = known[name]()
        if not measured:
            print(f"{name}: measured nothing", file=sys.stderr)
            ok = False
        results += measured
    ok = ok and all(result.ok for result in results)
    if options.json:
        print(json.dumps({"ok": ok, "results": [asdict(result) for result in results]}, indent=2))
    else:
        print(table(results))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
