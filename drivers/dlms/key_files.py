"""Where the keys and the password of a DLMS meter are found: by reference only, and read at the beginning of a session.

Rules: no message shows a secret or a part of one, its length neither. A key is hexadecimal text, blanks allowed, or the
16 or 32 octets themselves; what could be a text that was cut short is not taken for octets.
"""

import os
import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from gatewayd.options import (
    CREDENTIAL,
    Options,
    PasswordReference,
    SecretUnavailable,
    beginning,
    is_credential,
    located,
)

_HEX = re.compile(rb"[0-9A-Fa-f\s]+")
_HEX_PREFIX = "0x"
_LONGEST = 4096
"""Octets of a file that are looked at: a key has its place in the beginning."""
PASSWORD_LIMIT = 64
"""Octets. The standard names no limit; what is longer is the wrong file."""


class KeyReferences(Options):
    """Where the two global keys are found. A key itself never stands in YAML."""

    block_cipher_key_file: Path | None = Field(default=None)
    """File that holds the global unicast encryption key: 32 hexadecimal digits (64 for suite 2), or its octets;
    credential:NAME for one of systemd (LoadCredential=)."""
    block_cipher_key_env: str | None = Field(default=None)
    """Name of the environment variable that holds the encryption key in hexadecimal digits."""
    block_cipher_key_credential: str | None = Field(default=None)
    """Name of the systemd credential (LoadCredential=) that holds the encryption key."""
    authentication_key_file: Path | None = Field(default=None)
    """File that holds the authentication key: 32 hexadecimal digits (64 for suite 2), or its octets; credential:NAME
    for one of systemd (LoadCredential=)."""
    authentication_key_env: str | None = Field(default=None)
    """Name of the environment variable that holds the authentication key in hexadecimal digits."""
    authentication_key_credential: str | None = Field(default=None)
    """Name of the systemd credential (LoadCredential=) that holds the authentication key."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        for kind in ("block_cipher_key", "authentication_key"):
            given = [key for key in _names(kind) if getattr(self, key) is not None]
            if len(given) > 1:
                raise ValueError(f"give only one of {', '.join(given)}")
        return self

    def refers_to(self, kind: str) -> bool:
        """Whether a place is configured for `block_cipher_key`, `authentication_key` or `password`."""
        return any(getattr(self, key, None) is not None for key in _names(kind))

    def key(self, kind: str, size: int) -> bytes:
        """The key of `size` octets, b"" where none is configured; SecretUnavailable when it cannot be read."""
        file, env, credential = (getattr(self, key) for key in _names(kind))
        if env is not None:
            text = os.environ.get(env)
            if text is None:
                raise SecretUnavailable(f"environment variable {env} is not set ({kind}_env)")
            return _key(text.encode(), size, f"environment variable {env} ({kind}_env)")
        if credential is None and file is None:
            return b""
        path = _credential_path(kind, credential) if credential is not None else located(file)
        return _key(_content(kind, path), size, f"{path} ({kind}_{'file' if credential is None else 'credential'})")


def password_octets(reference: PasswordReference) -> bytes:
    """The password as it is sent, b"" where none is configured: text, or `0x` and hexadecimal digits.

    SecretUnavailable when it cannot be read, is empty, or is no such thing."""
    text = reference.password()
    if text is None:
        return b""
    where = next(str(place) for key in _names("password") if (place := getattr(reference, key)) is not None)
    if not text.startswith(_HEX_PREFIX):
        octets = text.encode()
    else:
        try:
            octets = bytes.fromhex(text.removeprefix(_HEX_PREFIX))
        except ValueError:
            # The text of the error would hold a piece of the password.
            raise SecretUnavailable(
                f"the password in {where} begins with 0x and is not hexadecimal behind it: write pairs of 0-9, A-F"
            ) from None
    if not 1 <= len(octets) <= PASSWORD_LIMIT:
        raise SecretUnavailable(
            f"the password in {where} is empty or longer than {PASSWORD_LIMIT} octets: its first line has to be the "
            "password"
        )
    return octets


def state_of_references(options: Options, kinds: tuple[str, ...]) -> str:
    """Changes when one of the files is changed, or a credential has another name: its file is made anew at each start
    of the service. "" where there are none. Environment variables have no part in it: they change with the process."""
    states: list[str] = []
    for kind in kinds:
        file, _, credential = (getattr(options, key) for key in _names(kind))
        if credential is not None:
            file = Path(f"{CREDENTIAL}{credential}")
        if file is not None:
            states.append(str(file) if is_credential(file) else _state_of(file))
    return "|".join(states)


def _names(kind: str) -> tuple[str, str, str]:
    return f"{kind}_file", f"{kind}_env", f"{kind}_credential"


def _credential_path(kind: str, credential: str) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise SecretUnavailable(
            f"no systemd credentials for {kind}_credential {credential}; run as a service with LoadCredential= or use "
            f"{kind}_file"
        )
    return Path(folder) / credential


def _content(kind: str, path: Path) -> bytes:
    try:
        return beginning(path)[:_LONGEST]
    except OSError as error:
        raise SecretUnavailable(f"cannot read {path} ({kind}): {error.strerror}") from None


def _key(content: bytes, size: int, where: str) -> bytes:
    if _HEX.fullmatch(content):
        digits = b"".join(content.split())
        octets = bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else b""
    else:
        octets = content
    if len(octets) != size:
        raise SecretUnavailable(
            f"{where} holds no key for this suite: it has to be {2 * size} hexadecimal digits, or {size} octets"
        )
    return octets


def _state_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path}:unreadable"
    return f"{path}:{found.st_mtime_ns}:{found.st_size}"
