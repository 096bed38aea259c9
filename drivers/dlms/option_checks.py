"""What contradicts itself in the options of a meter, and the remedy.

Rules: the first contradiction is told; a message names the keys that have to change, and no value of a secret.
"""

from typing import TYPE_CHECKING

from drivers.dlms.wire.data_notification import Protection

if TYPE_CHECKING:
    from drivers.dlms.options import DlmsOptions

_CLIENT_MOST = 0x7F
"""A client has one byte in HDLC (IEC 62056-46 6.4.2)."""
_PASSWORD = ("low", "hls-md5", "hls-sha1", "hls-sha256")
_NONE = "none"


def contradiction(options: "DlmsOptions") -> str | None:
    """The first one, None where everything fits."""
    return _addresses(options) or _secrets(options) or _protection(options) or _pushed(options)


def _addresses(options: "DlmsOptions") -> str | None:
    if options.transport == "wrapper":
        if options.physical is not None or options.address_bytes != "auto":
            return "physical and address_bytes belong to HDLC addresses: leave them out with transport: wrapper"
        return None
    most = max(options.client, options.counter_client if options.counted else 0)
    if most > _CLIENT_MOST:
        return f"an HDLC client address is 1 to {_CLIENT_MOST}, not {most}: transport: wrapper has larger ones"
    try:
        _ = options.server_address
    except ValueError as error:
        return f"{error}; see server, physical and address_bytes"
    return None


def _secrets(options: "DlmsOptions") -> str | None:
    authentication = options.authentication
    password = options.refers_to("password")
    if authentication in _PASSWORD and not password:
        return f"authentication: {authentication} needs a password: name its file as password_file"
    if authentication not in _PASSWORD and password:
        return f"a password is given and authentication: {authentication} uses none: say authentication: low, or hls-*"
    if authentication == "hls-sha256" and not options.system_title:
        return "authentication: hls-sha256 needs our system_title, 16 hexadecimal digits"
    return None


def _protection(options: "DlmsOptions") -> str | None:
    cipher, authenticating = options.refers_to("block_cipher_key"), options.refers_to("authentication_key")
    for user in _users_of_keys(options):
        if not cipher:
            return f"{user} needs the encryption key: name its file as block_cipher_key_file"
        if not authenticating and user != "security: encrypted":
            return f"{user} needs the authentication key: name its file as authentication_key_file"
        if not options.system_title:
            return f"{user} needs our system_title, 16 hexadecimal digits"
    if options.ciphering == "dedicated" and options.security == "authenticated":
        return "ciphering: dedicated sends its key to the meter, which has to be encrypted: authenticated-encrypted"
    if options.ciphered:
        return None
    if options.ciphering == "dedicated" or options.general or options.protected_release:
        return "ciphering: dedicated, general and protected_release protect messages: they need security"
    if (cipher or authenticating) and not options.counted and options.push is None:
        return "keys are given and nothing uses them: say security, or authentication: hls-gmac"
    return None


def _pushed(options: "DlmsOptions") -> str | None:
    """Protection that pushed messages are to have, and no key to open them with."""
    push, cipher = options.push, options.refers_to("block_cipher_key")
    if push is None:
        return None
    minimum = push.minimum(keys=cipher)
    if minimum and not cipher:
        return f"push: security: {push.security} needs the encryption key: name its file as block_cipher_key_file"
    if Protection.AUTHENTICATED in minimum and not options.refers_to("authentication_key"):
        return (
            "pushed messages are to be authenticated, which needs the authentication key: name its file as "
            "authentication_key_file, or say push: {security: encrypted} for a meter that only encrypts"
        )
    return None


def _users_of_keys(options: "DlmsOptions") -> tuple[str, ...]:
    security = (f"security: {options.security}",) if options.security != _NONE else ()
    return (*security, "authentication: hls-gmac") if options.authentication == "hls-gmac" else security
