"""The base of everything that may stand in the configuration: frozen, strict about keys, secrets only by reference.

Drivers and sinks declare their own options as subclasses; gatewayd.config puts them together into one definition, from
which the loader, its error messages and the JSON Schema come.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gatewayd.errors import GatewayError


class SecretUnavailable(GatewayError):
    """A secret that the configuration refers to cannot be read. The message names the reference, never the secret."""


class Options(BaseModel):
    """A mapping of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def has_load_profiles(options: type[BaseModel]) -> bool:
    """Whether meters of a driver with these options may have load profiles; LOAD_PROFILES = False in the class: none
    has."""
    return bool(getattr(options, "LOAD_PROFILES", True))


_LONGEST = 64 * 1024
"""Octets of a file with a password or token."""
CREDENTIAL = "credential:"
"""How the name of a file begins that systemd hands to the service (LoadCredential=): `credential:broker-key`."""


def located(path: Path) -> Path:
    """Where a file is that holds something secret; SecretUnavailable for a credential where there are none."""
    text = str(path)
    if not is_credential(path):
        return path
    name, folder = text.removeprefix(CREDENTIAL), os.environ.get("CREDENTIALS_DIRECTORY")
    if not name or "/" in name or name in (".", ".."):
        raise SecretUnavailable(f"{text} names no credential; expected a name such as credential:broker-key")
    if folder is None:
        raise SecretUnavailable(
            f"no systemd credentials for {text}; run as a service with LoadCredential={name}:FILE, or give a path"
        )
    return Path(folder) / name


def beginning(path: Path) -> bytes:
    """What a file with something secret begins with. OSError also for what is none: a pipe would be waited for, and the
    whole gateway with it; a device may have no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file but a folder, pipe or device")
        return file.read(_LONGEST)


def is_credential(path: Path) -> bool:
    """Whether it is a credential. Each start of the service makes its file anew, so that its times say nothing of it:
    what is remembered of a refused one goes by its name."""
    return str(path).startswith(CREDENTIAL)


class PasswordReference(Options):
    """Where a password is found. At most one of the three may be given; the password itself never stands in YAML."""

    password_file: Path | None = Field(default=None)
    """File that holds the password in its first line; credential:NAME for one of systemd (LoadCredential=)."""
    password_env: str | None = Field(default=None)
    """Name of the environment variable that holds the password."""
    password_credential: str | None = Field(default=None)
    """Name of the systemd credential (LoadCredential=) that holds the password."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        _only_one(self, "password")
        return self

    def password(self) -> str | None:
        """The password, None when no reference is configured; SecretUnavailable when it cannot be read."""
        return _secret("password", self.password_file, self.password_env, self.password_credential)


class TokenReference(Options):
    """Where a token is found: the same for databases that want one in place of user and password."""

    token_file: Path | None = Field(default=None)
    """File that holds the token in its first line; credential:NAME for one of systemd (LoadCredential=)."""
    token_env: str | None = Field(default=None)
    """Name of the environment variable that holds the token."""
    token_credential: str | None = Field(default=None)
    """Name of the systemd credential (LoadCredential=) that holds the token."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        _only_one(self, "token")
        return self

    def token(self) -> str | None:
        """The token, None when no reference is configured; SecretUnavailable when it cannot be read."""
        return _secret("token", self.token_file, self.token_env, self.token_credential)


def _only_one(options: Options, kind: str) -> None:
    keys = (f"{kind}_file", f"{kind}_env", f"{kind}_credential")
    given = [key for key in keys if getattr(options, key) is not None]
    if len(given) > 1:
        raise ValueError(f"give only one of {', '.join(given)}")


def _secret(kind: str, file: Path | None, env: str | None, credential: str | None) -> str | None:
    if env is not None:
        value = os.environ.get(env)
        if value is None:
            raise SecretUnavailable(f"environment variable {env} is not set ({kind}_env)")
        return value
    if credential is not None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise SecretUnavailable(
                f"no systemd credentials for {kind}_credential {credential}; "
                f"run as a service with LoadCredential= or use {kind}_file"
            )
        return _first_line(kind, Path(folder) / credential)
    return _first_line(kind, file) if file is not None else None


def _first_line(kind: str, path: Path) -> str:
    try:
        return beginning(located(path)).decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SecretUnavailable(f"cannot read the {kind} file {path}: {reason}") from None
