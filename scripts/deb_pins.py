"""What is installed into the Debian package: requirements.lock, and the extras that a gateway needs, at their pins.

Rules: pip is not in the package, so an extra that is not here cannot be had later; each extra is followed through the
metadata of the development environment, which holds all of them; every licence is judged as by scripts/licences.py.
A distribution that Debian has as a package of its own without Python code (time zones) is left to Debian.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from scripts import licences, lockfile
from scripts.lockfile import Pin, canonical

ROOT = Path(__file__).parent.parent
EXTRAS = ("influx2", "postgresql", "xlsx")  # not demo (a broker on a gateway), nor parquet (its licence)
LEFT_TO_DEBIAN = frozenset({"tzdata"})


class Unfit(Exception):
    """Something may not or cannot go into the package; the text says what to do."""


def pins(root: Path = ROOT) -> list[Pin]:
    """Every distribution of the package but gatewayd itself, by name."""
    runtime = lockfile.read(root / "requirements.lock")
    everything = lockfile.read(root / "requirements-dev.lock")
    wanted = dict(runtime)
    for name in _closure(EXTRAS):
        if name not in everything:
            raise Unfit(f"requirements-dev.lock does not pin {name}, which an extra needs; run: ./dev lock")
        wanted.setdefault(name, everything[name])
    found = [finding for name in wanted if (finding := licences.finding(distribution(name)))]
    if found:
        raise Unfit("\n".join(found))
    return [wanted[name] for name in sorted(wanted)]


def text(chosen: list[Pin]) -> str:
    """The pins as a file of requirements for pip."""
    return "".join(
        f"{pin.name}=={pin.version}" + "".join(f" --hash=sha256:{digest}" for digest in sorted(pin.hashes)) + "\n"
        for pin in chosen
    )


def _closure(extras: tuple[str, ...]) -> set[str]:
    """The distributions that the extras of gatewayd bring, and those that these need."""
    waiting = [one for extra in extras for one in _needs("gatewayd", extra) - _needs("gatewayd", "")]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and name not in LEFT_TO_DEBIAN:
            found.add(name)
            waiting += _needs(name, "")
    return found


def _needs(name: str, extra: str) -> set[str]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError as error:
        raise Unfit(f"{name} is not installed here, so what it needs is not known; run: ./dev setup") from error
    needed = [Requirement(line) for line in lines]
    return {canonical(one.name) for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})}
