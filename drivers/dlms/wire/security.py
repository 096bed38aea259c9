"""Ciphering and deciphering of APDUs with AES-GCM (IEC 62056-5-3, protection of xDLMS APDUs; Green Book 9.2.7.2).

    C8 | length | security control | invocation counter (4) | content | tag (12)               service-specific
    DB | length, system title | length | security control | invocation counter (4) | content | tag (12)  general
    security control = 80 compressed, 40 broadcast key, 20 encrypted, 10 authenticated, suite in the lower half
    the tag covers: security control | authentication key | content, where that is not encrypted

Rules: a received APDU is judged in this order: length, form, title, suite, key set, protection, tag, the service in it,
counter. Nothing is looked at that has no right tag; the counter moves only for what passed everything, so that a forged
message with a high counter locks nobody out. Less protection than required is an error, more is taken.
Encryption alone proves nothing: whoever is on the line can change it bit by bit, and move the counter within the
session. It is accepted only where the required policy is exactly that, and marked as not authenticated.
Two plain APDUs come through unauthenticated: exception-response and confirmed-service-error, in which a meter says that
it cannot decipher us. The dedicated key is never sent unencrypted.
"""

from dataclasses import dataclass

from drivers.dlms.wire import gcm
from drivers.dlms.wire.axdr import decode_count
from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.ciphered_tags import (
    CARRIED,
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    GENERAL_BLOCK_TRANSFER,
    GENERAL_CIPHERING,
    GENERAL_SIGNING,
    INITIATE_REQUEST,
    SERVICES,
    Carried,
    Form,
    Sender,
    is_initiate,
    tag_for,
)
from drivers.dlms.wire.data_notification import Protection
from drivers.dlms.wire.keys import TITLE_OCTETS, Keys, Suite
from drivers.dlms.wire.security_errors import Kind, SecurityError, Unsupported
from gatewayd.errors import ProtocolError

__all__ = [
    "Form",
    "Keys",
    "Kind",
    "Opened",
    "Opener",
    "Policy",
    "Protection",
    "SecurityError",
    "Sender",
    "Suite",
    "Unsupported",
    "protect",
]

Policy = Protection
"""AUTHENTICATED, ENCRYPTED or both: what every APDU of the association has at least."""

MAX_APDU = 1_048_576
"""Octets of a ciphered APDU: one that came in blocks is put together before it is deciphered."""
_BOTH = Protection.AUTHENTICATED | Protection.ENCRYPTED
_HEADER = 5
"""Octets of the security header: security control and invocation counter."""
_UNPROTECTED = {EXCEPTION_RESPONSE: (3, 7), CONFIRMED_SERVICE_ERROR: (4,)}
"""What may come plain, and how long it is: an exception-response has a counter or none."""

_NOT_OPENED = {
    GENERAL_CIPHERING: "uses general-ciphering (key agreement, wrapped keys), which is not supported: it has to be set "
    "to global or dedicated ciphering with the keys of its suite",
    GENERAL_SIGNING: "signs its APDUs (general-signing), which is not supported: signing has to be turned off in it",
    GENERAL_BLOCK_TRANSFER: "sends a block of a general block transfer where a whole APDU is due",
}


def protect(
    apdu: bytes, *, keys: Keys, suite: Suite, policy: Policy, title: bytes, counter: int, form: Form = Form.GLOBAL
) -> bytes:
    """The ciphered APDU. `title` is the sender's; a counter must never be used twice with one block cipher key.

    An InitiateRequest or -Response becomes a glo-initiate APDU whatever the form. ValueError for what is the caller's
    fault: keys that do not fit, an APDU that cannot be ciphered in this form, a dedicated key that would go out plain.
    """
    _check_policy(policy)
    if not 0 < len(apdu) <= MAX_APDU:
        raise ValueError(f"an APDU of {len(apdu)} octets: expected 1 to {MAX_APDU}")
    tag, form = tag_for(apdu[0], form)
    keys.check(suite, authenticated=Protection.AUTHENTICATED in policy, dedicated=form.dedicated)
    if apdu[0] == INITIATE_REQUEST and apdu[1:2] != b"\x00" and Protection.ENCRYPTED not in policy:
        raise ValueError("a dedicated key is sent only in an InitiateRequest that is encrypted")
    iv = gcm.vector(title, counter)
    control = bytes((policy | suite,))
    key = _block_cipher_key(keys, form)
    if policy == _BOTH:
        content, end = gcm.sealed(key, iv, apdu, control + keys.authentication)
    elif policy == Protection.ENCRYPTED:
        content, end = gcm.unauthenticated(key, iv, apdu), b""
    else:
        content, end = apdu, gcm.tag_over(key, iv, control + keys.authentication + apdu)
    protected = control + counter.to_bytes(4) + content + end
    sender = encode_count(len(title)) + title if form.general else b""
    return bytes((tag,)) + sender + encode_count(len(protected)) + protected


@dataclass(frozen=True, slots=True)
class Opened:
    """A plain APDU, and whether it is proved to be the peer's."""

    apdu: bytes
    authenticated: bool


class Opener:
    """Opens what one peer sends under one set of keys; one for each association.

    The dedicated key is new in every association and has a counter of its own, which begins anew. The initiate APDUs
    come with the global key, also where `forms` has only dedicated ones. `received` is the last counter that was
    accepted in earlier sessions: without it the answers of an earlier session could be played to us once more.
    """

    def __init__(
        self,
        keys: Keys,
        suite: Suite,
        policy: Policy,
        peer_title: bytes,
        received: int = -1,
        forms: frozenset[Form] = frozenset({Form.GLOBAL}),
        sender: Sender = Sender.METER,
        broadcast: bool = False,
    ) -> None:
        """`broadcast`: `keys` are the broadcast keys, and exactly what is sent with them is opened. ValueError for keys
        that do not fit the suite, the policy or the forms."""
        _check_policy(policy)
        if len(peer_title) != TITLE_OCTETS:
            raise ValueError(f"a system title of {len(peer_title)} octets: expected {TITLE_OCTETS}")
        if not -1 <= received <= gcm.MAX_COUNTER:
            raise ValueError(f"received counter {received}: expected -1 to {gcm.MAX_COUNTER}")
        keys.check(
            suite,
            authenticated=Protection.AUTHENTICATED in policy,
            dedicated=any(form.dedicated for form in forms),
        )
        self._keys = keys
        self._suite = suite
        self._policy = policy
        self._title = peer_title
        self._forms = forms
        self._sender = sender
        self._broadcast = broadcast
        self._received = received  # the newest that a tag proves, of the global key
        self._newest = {False: received, True: -1}  # what the next one must be above: by global and dedicated key

    @property
    def received(self) -> int:
        """The newest counter of the global key that a tag proves; for the next session. -1 before the first."""
        return self._received

    def open(self, apdu: bytes) -> Opened:
        """The plain APDU. SecurityError, also for octets that are no APDU at all; nothing has changed then."""
        if apdu and (lengths := _UNPROTECTED.get(apdu[0])) is not None and self._sender is Sender.METER:
            if len(apdu) not in lengths:
                raise SecurityError(Kind.LENGTH, "sends an error that is not as long as such errors are", apdu)
            return Opened(apdu, authenticated=False)
        carried, title, protected = _parts(apdu)
        self._check_form(apdu, carried)
        if title not in (b"", self._title):
            raise SecurityError(Kind.TITLE, f"sends an APDU of another system title, {title.hex()}", apdu)
        protection, counter = self._check_control(apdu, protected)
        key = _block_cipher_key(self._keys, carried.form)
        plain = self._plain(apdu, key, protection, protected)
        self._check_service(apdu, carried, plain)
        newest = self._newest[carried.form.dedicated]
        if counter <= newest:
            message = f"sends the invocation counter {counter}, and was already at {newest}: an old message, sent again"
            remedy = "if the meter itself has lost its counter, it needs new keys"
            raise SecurityError(Kind.REPLAY, f"{message}; {remedy}", apdu)
        self._newest[carried.form.dedicated] = counter
        authenticated = Protection.AUTHENTICATED in protection
        if authenticated and not carried.form.dedicated:
            self._received = counter
        return Opened(plain, authenticated)

    def _check_form(self, apdu: bytes, carried: Carried) -> None:
        initiate = carried.service is not None and is_initiate(carried.service)
        if carried.form not in self._forms and not initiate:
            agreed = " or ".join(sorted(form.value for form in self._forms))
            message = f"sends {carried.form.value} ciphering where {agreed} ciphering is agreed"
            raise SecurityError(Kind.FORM, message, apdu)
        if carried.service is not None and carried.service not in SERVICES[self._sender]:
            message = f"sends a ciphered APDU ({apdu[0]:#04x}) that a {self._sender.value} does not send"
            raise SecurityError(Kind.FORM, message, apdu)

    def _check_control(self, apdu: bytes, protected: bytes) -> tuple[Protection, int]:
        """What the security header says, as far as it can be judged before the tag: protection and counter."""
        if len(protected) < _HEADER:
            raise SecurityError(Kind.LENGTH, "sends a ciphered APDU without security header", apdu)
        control = protected[0]
        protection = Protection(control & 0xF0)
        if control & 0x0F != self._suite:
            message = f"ciphers with security suite {control & 0x0F} where suite {self._suite:d} is configured"
            raise SecurityError(Kind.SUITE, message, apdu)
        if Protection.COMPRESSED in protection:
            message = "sends a compressed APDU, which is not supported: compression has to be turned off in it"
            raise SecurityError(Kind.COMPRESSED, message, apdu)
        if (Protection.BROADCAST_KEY in protection) is not self._broadcast:
            used, due = ("unicast", "broadcast") if self._broadcast else ("broadcast", "unicast")
            raise SecurityError(Kind.KEYSET, f"ciphers with its {used} key where the {due} key is due", apdu)
        protection &= _BOTH
        if self._policy not in protection:
            message = f"protects less than required: {_words(protection)}, not {_words(self._policy)}"
            raise SecurityError(Kind.DOWNGRADE, message, apdu)
        if Protection.AUTHENTICATED in protection:
            if not self._keys.authentication:  # more than is required, and no key for it
                raise SecurityError(Kind.TAG, "authenticates, and no authentication key is configured", apdu)
            if len(protected) < _HEADER + gcm.TAG_OCTETS:
                raise SecurityError(Kind.LENGTH, "sends a ciphered APDU without its authentication tag", apdu)
        return protection, int.from_bytes(protected[1:_HEADER])

    def _plain(self, apdu: bytes, key: bytes, protection: Protection, protected: bytes) -> bytes:
        iv = self._title + protected[1:_HEADER]
        covered = protected[:1] + self._keys.authentication
        if protection == Protection.ENCRYPTED:
            return gcm.unauthenticated(key, iv, protected[_HEADER:])
        content, tag = protected[_HEADER : -gcm.TAG_OCTETS], protected[-gcm.TAG_OCTETS :]
        if protection == _BOTH:
            plain = gcm.opened(key, iv, content, covered, tag)
        else:
            nothing = gcm.opened(key, iv, b"", covered + content, tag)
            plain = None if nothing is None else content
        if plain is None:
            message = "sends an APDU whose authentication tag is wrong: it was changed on its way, or the keys differ"
            raise SecurityError(Kind.TAG, message, apdu)
        return plain

    def _check_service(self, apdu: bytes, carried: Carried, plain: bytes) -> None:
        """Without this, an answer could be passed off as one to another service by its outer tag."""
        if not plain:
            raise SecurityError(Kind.LENGTH, "sends a ciphered APDU with nothing in it", apdu)
        fits = plain[0] in SERVICES[self._sender] if carried.service is None else plain[0] == carried.service
        if not fits:
            message = f"sends a ciphered APDU ({apdu[0]:#04x}) with something else in it than belongs there"
            if not (self._policy & Protection.AUTHENTICATED):
                message += ": it was changed on its way, or the keys differ"
            raise SecurityError(Kind.FORM, message, apdu)


def _parts(apdu: bytes) -> tuple[Carried, bytes, bytes]:
    """What a ciphered APDU is, the system title in it, and what its security header begins."""
    if not 0 < len(apdu) <= MAX_APDU:
        raise SecurityError(Kind.LENGTH, f"sends an APDU of {len(apdu)} octets", apdu)
    carried = CARRIED.get(apdu[0])
    if carried is None:
        raise _no_ciphering(apdu)
    at, title = 1, b""
    if carried.form.general:
        size, at = _count(apdu, at)
        title = apdu[at : at + size]
        at += len(title)
        if size not in (0, TITLE_OCTETS) or len(title) != size:
            raise SecurityError(Kind.TITLE, f"sends a system title of {size} octets", apdu)
    size, at = _count(apdu, at)
    if len(apdu) - at != size:
        message = f"sends a ciphered APDU of {len(apdu) - at} octets that says it has {size}"
        raise SecurityError(Kind.LENGTH, message, apdu)
    return carried, title, apdu[at:]


def _count(apdu: bytes, at: int) -> tuple[int, int]:
    try:
        return decode_count(apdu, at)
    except ProtocolError as error:
        raise SecurityError(
            Kind.LENGTH, "sends a ciphered APDU whose length is cut short or too large", apdu
        ) from error


def _no_ciphering(apdu: bytes) -> SecurityError:
    message = _NOT_OPENED.get(apdu[0])
    if message is not None:
        return SecurityError(Kind.FORM, message, apdu)
    message = f"sends an APDU ({apdu[0]:#04x}) that is not ciphered, where ciphering is agreed"
    return SecurityError(Kind.PLAINTEXT, message, apdu)


def _block_cipher_key(keys: Keys, form: Form) -> bytes:
    return keys.dedicated if form.dedicated else keys.block_cipher


def _check_policy(policy: Policy) -> None:
    if policy not in (Protection.AUTHENTICATED, Protection.ENCRYPTED, _BOTH):
        raise ValueError(f"no policy of protection: {policy!r}")


def _words(protection: Protection) -> str:
    parts = {Protection.AUTHENTICATED: "authenticated", Protection.ENCRYPTED: "encrypted"}
    return " and ".join(text for part, text in parts.items() if part in protection) or "not protected"
