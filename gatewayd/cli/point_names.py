"""Metering points on the command line: by their id, or by their EIC or EAN.

Rules: several may stand in one word, divided by semicolons, as portals take them. What is no point is a mistake on the
command line, and the known ones are named.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import click

from gatewayd.config import Config
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.era import month_of_era
from gatewayd.metering.points import MeteringPoint

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_SHOWN = 10


def find_point(config: Config, name: str) -> MeteringPoint:
    """The point of that id, EIC or EAN. click.BadParameter."""
    for one in config.points:
        if name == one.id:
            return one
    for one in config.points:
        if name and name in (one.point.eic, one.point.ean):
            return one
    raise click.BadParameter(no_point(config, name), param_hint="POINT")


def no_point(config: Config, name: str) -> str:
    """That there is none of that name, and which there are."""
    known = ", ".join(one.id for one in config.points[:_SHOWN]) or "none"
    more = f" and {len(config.points) - _SHOWN} more" if len(config.points) > _SHOWN else ""
    return f"there is no metering point {name}; the configuration has: {known}{more}"


def find_points(config: Config, names: Iterable[str]) -> tuple[MeteringPoint, ...]:
    """The points of these ids, EICs or EANs, each once; `A;B` names two. click.BadParameter."""
    words = [word.strip() for name in names for word in name.split(";") if word.strip()]
    if not words:
        raise click.BadParameter("no metering point is named", param_hint="POINT")
    return tuple({one.id: one for one in (find_point(config, word) for word in words)}.values())


def month_of(text: str, option: str = "--month") -> date:
    """The first day of a month, of `2026-11`. click.BadParameter."""
    match = _MONTH.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        first = date(int(match[1]), int(match[2]), 1)
    except ValueError:
        raise click.BadParameter(f"'{text}' is no month; expected 2026-11", param_hint=option) from None
    try:
        return month_of_era(first)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def month_span(text: str, zone: ZoneInfo, option: str = "--month") -> tuple[datetime, datetime]:
    """Beginning and end of that legal-time month."""
    return month_bounds(month_of(text, option), zone)
