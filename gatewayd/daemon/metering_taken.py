"""Other points for an engine that computes: when they are others, and how what is under way is given up.

Rules: points with the same digests are the same points, since a digest changes with everything that values depend on.
"""

import hashlib
from collections.abc import Mapping

from gatewayd.daemon.metering_steps import PointWork


class OthersTakenError(Exception):
    """Other points were taken: what is computed at present is given up."""


def key_of(digests: Mapping[str, str]) -> str:
    """Of some points with their digests, as one word."""
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def digests_of(works: Mapping[str, PointWork]) -> dict[str, str]:
    """Of what all values of a point depend on, by point."""
    return {point: work.digest for point, work in works.items()}
