"""The ciphered messages of one association of a simulated meter: taken apart, and answered in the form they came in.

Rules: a message is verified, then its counter is taken, then it is looked at; the answer has the form and the key of
the request; the faults of ciphering are made here.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators import dlms_values as axdr
from simulators.dlms_counters import Counters, NotRising
from simulators.dlms_faults import Faults, Kind
from simulators.dlms_security import (
    AUTHENTICATED,
    DEDICATED,
    ENCRYPTED,
    GENERAL_DED,
    GENERAL_GLO,
    GLOBAL,
    Keys,
    Unsound,
    seal,
    unseal,
)

_PLAIN_OF_GLOBAL = {ciphered: plain for plain, ciphered in GLOBAL.items()}
_PLAIN_OF_DEDICATED = {ciphered: plain for plain, ciphered in DEDICATED.items()}


@dataclass(frozen=True, slots=True)
class Form:
    """How a message is ciphered: with the dedicated key or the global one, general or by its service."""

    dedicated: bool
    general: bool


class Ciphering:
    """`required` are the bits of the security control that the meter demands, and with which it answers."""

    def __init__(self, keys: Keys, required: int, title: bytes, counters: Counters, faults: Faults) -> None:
        self._global = keys
        self._required = required
        self._title = title
        self._counters = counters
        self._faults = faults
        self._dedicated: Keys | None = None
        self._dedicated_seen = -1
        self._dedicated_own = 0
        self._before: dict[int, bytes] = {}
        self.client_title = b""
        self.by_global_key = False
        """Whether the message that was opened last used a number of the global key."""

    @staticmethod
    def is_ciphered(apdu: bytes) -> bool:
        tag = apdu[0]
        return tag in _PLAIN_OF_GLOBAL or tag in _PLAIN_OF_DEDICATED or tag in (GENERAL_GLO, GENERAL_DED)

    @property
    def dedicated(self) -> bool:
        """Whether a dedicated key was agreed."""
        return self._dedicated is not None

    def use_dedicated(self, key: bytes) -> None:
        """The key that came with the InitiateRequest; of the size that the suite has, or Malformed."""
        if len(key) != len(self._global.block_cipher):
            raise axdr.Malformed("a dedicated key of another size")
        self._dedicated = Keys(key, self._global.authentication, self._global.suite)
        self._dedicated_seen, self._dedicated_own = -1, 0

    def open(self, apdu: bytes) -> tuple[bytes, Form]:
        """The APDU inside. Unsound, or NotRising where only its counter is wrong."""
        tag, at = apdu[0], 1
        form = Form(tag == GENERAL_DED or tag in _PLAIN_OF_DEDICATED, tag in (GENERAL_GLO, GENERAL_DED))
        title = self.client_title
        if form.general:
            size, at = axdr.read_count(apdu, at)
            given, at = axdr.take(apdu, at, size), at + size
            if given and title and given != title:
                raise Unsound("another system title")
            title = given or title
        if len(title) != len(self._title):
            raise Unsound("no system title")
        size, at = axdr.read_count(apdu, at)
        if len(apdu) != at + size:
            raise Unsound("a wrong length")
        plain, counter = unseal(apdu[at:], self._keys(form), required=self._required, title=title)
        inner = {**_PLAIN_OF_GLOBAL, **_PLAIN_OF_DEDICATED}.get(tag)
        if not plain or (inner is not None and plain[0] != inner):
            raise Unsound("another service inside than outside")
        self.by_global_key = not form.dedicated
        if form.dedicated:
            if counter <= self._dedicated_seen:
                raise NotRising(self._dedicated_seen + 1)
            self._dedicated_seen = counter
        else:
            self._counters.accept(counter)
        return plain, form

    def close(self, plain: bytes, form: Form) -> bytes:
        """The answer, ciphered as the request was."""
        shows, control = self._faults.shows, self._required
        if shows(Kind.PLAINTEXT_REPLY):
            return plain
        if shows(Kind.DOWNGRADE):
            control = ENCRYPTED if control == AUTHENTICATED else AUTHENTICATED
        title = self._title
        if shows(Kind.WRONG_TITLE):
            title = bytes([title[0] ^ 1]) + title[1:]
        outer = (GENERAL_DED if form.dedicated else GENERAL_GLO) if form.general else self._outer(plain[0], form)
        sealed = seal(plain, self._keys(form), control=control, title=title, counter=self._next(form))
        if shows(Kind.TAMPERED_CIPHERTEXT):
            sealed = sealed[:5] + bytes([sealed[5] ^ 0x01]) + sealed[6:]
        if shows(Kind.TAMPERED_TAG):
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 0x01])
        names = axdr.count(len(title)) + title if form.general else b""
        whole = bytes([outer]) + names + axdr.count(len(sealed)) + sealed
        if shows(Kind.REPLAY) and outer in self._before:
            return self._before[outer]
        self._before[outer] = whole
        return whole

    @property
    def overhead(self) -> int:
        """Octets that ciphering adds at most."""
        return 1 + 9 + 5 + 5 + 12

    def _outer(self, tag: int, form: Form) -> int:
        return (DEDICATED if form.dedicated else GLOBAL)[tag]

    def _keys(self, form: Form) -> Keys:
        if not form.dedicated:
            return self._global
        if self._dedicated is None:
            raise Unsound("no dedicated key was agreed")
        return self._dedicated

    def _next(self, form: Form) -> int:
        if not form.dedicated:
            return self._counters.next()
        self._dedicated_own += 1
        return self._dedicated_own
