"""From a pushed APDU to a message that is believed: what was ciphered is opened, and nothing is heard twice.

    received/push/<key id>   the newest invocation counter that a tag has proved (counters.py)

Rules: nothing is decoded that is protected less than the options want. A counter is taken over only from what is whole:
where a tag proves it at once, else when the message behind it can be read. It is written down with the first message of
a key, then with every 64th and when listening ends: after a crash up to 63 messages could be played to us once more.
What no tag proves is compared within one connection only, and never written down: a forged counter would lock the
meter out for ever.
"""

from dataclasses import dataclass

from drivers.dlms.counters import ReceivedCounter, key_id
from drivers.dlms.wire.data_notification import Ciphered, Plain, Protection, parse_notification
from drivers.dlms.wire.push_message import Message, parse_message
from drivers.dlms.wire.security import Form, Keys, Kind, Opened, Opener, SecurityError, Suite
from gatewayd.driver import Memory
from gatewayd.errors import ProtocolError

PERSIST_EACH = 64
"""Messages between two writes of a counter to the disk."""
_TITLES = 16
"""System titles under which one meter's line is heard: more is no meter that was replaced."""
_PLAIN = (Plain.DATA_NOTIFICATION.value, Plain.EVENT_NOTIFICATION.value)
_FORMS = frozenset({Form.GLOBAL, Form.GENERAL_GLOBAL})
_NONE = Protection(0)
_BOTH = Protection.AUTHENTICATED | Protection.ENCRYPTED


@dataclass(frozen=True, slots=True)
class Received:
    """A message, who says that he sent it (empty where nobody does), and how far that is proved."""

    message: Message
    title: bytes = b""
    protection: Protection = _NONE

    @property
    def proved(self) -> bool:
        return Protection.AUTHENTICATED in self.protection


@dataclass(slots=True)
class _Counted:
    """Where one sender is: the newest counter, the newest that is proved, and how many came since it was written."""

    store: ReceivedCounter
    newest: int
    proved: int
    unwritten: int = 0


class PushReceiver:
    """The receiving end of one meter's messages; one for each connection. `close` when listening ends."""

    def __init__(self, keys: Keys | None, suite: Suite, minimum: Protection, title: bytes, memory: Memory) -> None:
        """`minimum`: the least protection, which may be none. `title`: the meter's, where it has to be this one."""
        self._keys = keys
        self._suite = suite
        self._minimum = minimum
        self._title = title
        self._memory = memory
        self._senders: dict[bytes, _Counted] = {}

    async def receive(self, apdu: bytes) -> Received:
        """What one APDU says. SecurityError where it is not believed, ProtocolError where it is not understood;
        ArchiveError."""
        if apdu[:1] and apdu[0] in _PLAIN:
            if self._minimum:
                reason = "sends messages that are not ciphered, where protection is configured (push: security)"
                raise SecurityError(Kind.PLAINTEXT, reason, apdu)
            return Received(parse_message(apdu))
        ciphered = parse_notification(apdu)
        if not isinstance(ciphered, Ciphered):
            raise ProtocolError("sends something else than a notification", apdu)
        if self._keys is None:
            reason = "sends ciphered messages, and no key is configured: name its file as block_cipher_key_file"
            raise SecurityError(Kind.KEYSET, reason, apdu)
        title = ciphered.system_title or self._title
        if not title:
            reason = "sends messages without its system title: configure that as meter_title"
            raise SecurityError(Kind.TITLE, reason, apdu)
        return await self._opened(ciphered, title, self._keys)

    async def close(self) -> None:
        """Write down what is not yet on the disk. ArchiveError."""
        for counted in self._senders.values():
            await _write(counted)

    async def _opened(self, ciphered: Ciphered, title: bytes, keys: Keys) -> Received:
        protection = ciphered.protection & _BOTH
        if not protection:
            raise SecurityError(Kind.DOWNGRADE, "sends an APDU that says it is ciphered and is not", ciphered.raw)
        opener = _opener(keys, self._suite, self._minimum or protection, self._title or title, ciphered.raw)
        opened = _plain_of(opener, ciphered)
        message = None if opened.authenticated else parse_message(opened.apdu)
        counted = await self._sender(title, keys, ciphered.raw)
        counter = ciphered.invocation_counter
        if counter <= counted.newest:
            reason = f"sends the invocation counter {counter}, and was already at {counted.newest}: a message repeated"
            remedy = "if the meter itself has lost its counter, it needs new keys"
            raise SecurityError(Kind.REPLAY, f"{reason}; {remedy}", ciphered.raw)
        counted.newest = counter
        if opened.authenticated:
            first = counted.proved < 0
            counted.proved = counter
            counted.unwritten += 1
            if first or counted.unwritten >= PERSIST_EACH:
                await _write(counted)
        return Received(message or parse_message(opened.apdu), title, protection)

    async def _sender(self, title: bytes, keys: Keys, raw: bytes) -> _Counted:
        counted = self._senders.get(title)
        if counted is None:
            if len(self._senders) >= _TITLES:
                raise SecurityError(Kind.TITLE, f"sends under more than {_TITLES} system titles", raw)
            store = ReceivedCounter(self._memory, f"push/{key_id(keys, title)}")
            proved = await store.recall()
            counted = self._senders[title] = _Counted(store, proved, proved)
        return counted


def _opener(keys: Keys, suite: Suite, policy: Protection, title: bytes, raw: bytes) -> Opener:
    """One for each message: counters are compared here, over connections, and not in it."""
    try:
        return Opener(keys, suite, policy, title, forms=_FORMS)
    except ValueError as error:
        raise SecurityError(Kind.KEYSET, f"sends messages that cannot be opened as configured: {error}", raw) from error


def _plain_of(opener: Opener, ciphered: Ciphered) -> Opened:
    try:
        return opener.open(ciphered.raw)
    except SecurityError as error:
        if error.kind is not Kind.SUITE or ciphered.suite not in list(Suite):
            raise
        remedy = f"say suite: {ciphered.suite} if that is how the meter is set"
        raise SecurityError(error.kind, f"{error}: {remedy}", ciphered.raw) from error


async def _write(counted: _Counted) -> None:
    if counted.unwritten:
        await counted.store.remember(counted.proved)
        counted.unwritten = 0
