"""What may stand under `iec62056_21:` in the configuration of a meter."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from drivers.iec62056_21.vendors import AUTO, Rate, vendors
from drivers.iec62056_21.wire.framing import ADDRESS_LIMIT
from gatewayd.options import Options, PasswordReference, SecretUnavailable, is_credential

_WRITE = re.compile(r"([WE][0-9]) ([^()\x00-\x20\x7f-\U0010ffff]*)")


class Iec62056_21Options(Options):
    """Options of a meter that is read by IEC 62056-21."""

    mode: Literal["A", "B", "C", "D", "E"] = Field(default="C")
    """C signs on and follows what the meter identifies itself as (A, B, C or E); A never chooses a rate; D listens."""
    vendor: str = Field(default=AUTO)
    """Vendor profile; auto chooses by the identification of the meter."""
    address: str = Field(default="")
    """Device address for the sign-on; empty where one meter is alone on its line."""
    start_baud: Rate | None = Field(default=None)
    """Rate of the sign-on, or of the telegrams in mode D; default: the line's `baud`, else the vendor profile's."""
    max_baud: Rate | None = Field(default=None)
    """Highest rate to choose, where the line is worse than the meter thinks; default: the vendor profile's."""
    baud_after_sign_on: Rate | None = Field(default=None)
    """Rate behind the sign-on, whatever the meter offers; default: what it offers."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often to sign on before the meter counts as silent."""
    response_timeout_s: int = Field(default=2, ge=1, le=60)
    """Longest time to the first character of an answer; more for lines with a delay of their own."""
    character_timeout_s: int = Field(default=2, ge=1, le=60)
    """Longest pause between two characters."""
    push_timeout_s: int = Field(default=15, ge=1, le=3600)
    """Mode D: longest time to the beginning of a telegram."""
    wake_up: Literal["auto", "yes", "no"] = Field(default="auto")
    """NUL characters before each sign-on, for meters that sleep; auto: as the named vendor profile says."""
    password_file: Path | None = Field(default=None)
    """File that holds the meter's password in its first line; it is read at the beginning of each session."""
    sign_on_password_file: Path | None = Field(default=None)
    """File that holds what some meters want to hear behind the address of the sign-on before they answer at all."""
    login: Literal["auto", "password", "none"] = Field(default="auto")
    """Whether commands need the password first; auto: as the vendor profile says."""
    access: Literal["auto", "readout", "R1", "R2", "R5"] = Field(default="auto")
    """How single registers are read: out of the readout, or each by this command; auto: as the vendor profile says."""
    tables: tuple[Literal["", "1", "2", "3", "4"], ...] = Field(default=("",), min_length=1)
    """Lists to read out one after the other: "" is the standard one (`/?!`), "2" the one behind `/2!`."""
    profile_command: Literal["auto", "R1", "R2", "R3", "R5", "R6"] = Field(default="auto")
    """Command that reads profiles and logs; auto: as the vendor profile says."""
    clock: Literal["auto", "legal", "standard", "utc"] = Field(default="auto")
    """What the meter's clock shows: legal time, standard time all the year, UTC; auto: as the vendor profile says."""
    writes: tuple[str, ...] = Field(default=())
    """Commands that may change the meter, each with its address: `W5 0.9.1`. Nothing else of the kind is ever sent."""

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(rf"[0-9A-Za-z ]{{0,{ADDRESS_LIMIT}}}", value):
            raise ValueError(f"expected at most {ADDRESS_LIMIT} of 0-9, A-Z, a-z and blank (IEC 62056-21 6.3.1)")
        return value

    @field_validator("vendor")
    @classmethod
    def _vendor(cls, value: str) -> str:
        if value != AUTO and value not in vendors():
            raise ValueError(f"'{value}' is no vendor profile; known: {', '.join([AUTO, *vendors()])}")
        return value

    @field_validator("writes")
    @classmethod
    def _writes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _WRITE.fullmatch(text):
                raise ValueError(f"'{text}' is no command and address; expected W or E, a digit, the address: W5 0.9.1")
        return value

    @property
    def allowed_writes(self) -> frozenset[tuple[str, str]]:
        """Command and address of what `writes` allows."""
        pairs = (text.partition(" ") for text in self.writes)
        return frozenset((command, address) for command, _, address in pairs)

    def password(self) -> str | None:
        """The password as it stands in its file, None without one; SecretUnavailable when there is none in it."""
        text = PasswordReference(password_file=self.password_file).password()
        if text is not None and not re.fullmatch(r"[ -'*-~]{1,32}", text):
            raise SecretUnavailable(
                f"the password file {self.password_file} holds no password that IEC 62056-21 can send: its first line "
                "has to be 1 to 32 printable characters of ASCII without brackets"
            )
        return text

    def sign_on_password(self) -> str:
        """What belongs behind the address of the sign-on, "" where nothing does; SecretUnavailable as above."""
        text = PasswordReference(password_file=self.sign_on_password_file).password() or ""
        fits = re.fullmatch(r"[0-9A-Za-z ]+", text) and len(self.address) + len(text) <= ADDRESS_LIMIT
        if self.sign_on_password_file is not None and not fits:
            raise SecretUnavailable(
                f"the password file {self.sign_on_password_file} holds nothing that a sign-on can carry: its first line"
                f" has to be 0-9, A-Z, a-z and blank, with the address at most {ADDRESS_LIMIT} characters"
            )
        return text

    @property
    def fingerprint(self) -> str:
        """Changes when a password file is changed; "" without one. No part of the password."""
        files = [path for path in (self.password_file, self.sign_on_password_file) if path is not None]
        return "|".join(map(_state_of, files))


def _state_of(path: Path) -> str:
    if is_credential(path):
        return str(path)
    try:
        found = path.stat()
    except OSError:
        return f"{path}:unreadable"
    return f"{path}:{found.st_mtime_ns}:{found.st_size}"
