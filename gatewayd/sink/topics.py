"""Where a message goes: the topics of the MQTT contract, version 1.

Rules: one level per name; whatever would end a level or make a wildcard is percent-encoded, `%` itself too, so that two
different codes never share a topic. Canonical OBIS codes need no encoding.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from gatewayd.model import Kind, Reading

RETAINED = frozenset({Kind.REGISTER, Kind.MAXIMUM})
"""Kinds of which the broker keeps the last message: the latest value has a meaning of its own."""

# MQTT 3.1.1 4.7: `/` separates levels, `+` and `#` are wildcards, NUL is forbidden (1.5.3).
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "/+#%")

# A code that noise on the line made up may be long; a topic has 65,535 bytes at most (MQTT 3.1.1 1.5.3).
_LONGEST = 255


@lru_cache(maxsize=8192)
def level(text: str) -> str:
    """`text` as one level of a topic; `-` where there is none."""
    return quote(text, safe=_PLAIN)[:_LONGEST] or "-"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway below a prefix."""

    prefix: str
    gateway: str

    @property
    def status(self) -> str:
        return f"{self.prefix}/{level(self.gateway)}/status"

    @property
    def replay(self) -> str:
        """Where requests to publish archived readings again are listened for, if that is configured."""
        return f"{self.prefix}/{level(self.gateway)}/replay"

    @property
    def replay_answer(self) -> str:
        return f"{self.replay}/answer"

    def meta(self, meter: str) -> str:
        return f"{self.prefix}/{level(self.gateway)}/{level(meter)}/meta"

    def reading(self, reading: Reading) -> str:
        return "/".join(
            (self.prefix, level(self.gateway), level(reading.meter), reading.kind.value, level(reading.code))
        )
