"""What may stand under `dlms:` in the configuration of a meter.

Rules: what contradicts itself is refused when the configuration is read, with the remedy; nothing is read from a file
before a session. The names are those of IEC 62056-5-3 and 62056-6-2 where they have one.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from drivers.dlms.key_files import KeyReferences, password_octets, state_of_references
from drivers.dlms.option_checks import contradiction
from drivers.dlms.push_options import PushOptions
from drivers.dlms.vendors import GENERIC, vendors
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.hdlc_address import Address, address
from gatewayd.obis import Obis
from gatewayd.options import Options, PasswordReference

Title = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{16})?$")]
"""Eight octets of a system title in hexadecimal digits: three letters of the manufacturer, five octets of its own."""
Rate = Literal[300, 600, 1200, 2400, 4800, 9600, 19200]
NONE: Final = "none"
KEY_OCTETS = (16, 16, 32)
"""Of the suites 0, 1 and 2: AES-128, AES-128, AES-256."""


class SetClock(Options):
    """How the meter's clock may be set. Nothing is set where this is not configured."""

    max_shift_s: int = Field(default=30, ge=1, le=300)
    """Largest deviation that is put right; a larger one is for a person to judge."""
    min_deviation_s: int = Field(default=3, ge=1, le=299)
    """A deviation smaller than this is left alone."""
    method: Literal["shift", "set"] = Field(default="shift")
    """shift: only by shift_time (method 6 of the clock); set: where the meter refuses that, its time is written."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min_deviation_s >= self.max_shift_s:
            raise ValueError("min_deviation_s has to be less than max_shift_s, else no deviation is ever put right")
        return self


class DlmsOptions(PasswordReference, KeyReferences):
    """Options of a meter that is read by DLMS/COSEM."""

    transport: Literal["hdlc", "wrapper", "optical"] = Field(default="hdlc")
    """hdlc: serial lines, and TCP that carries them; wrapper: TCP, port 4059; optical: mode E of IEC 62056-21 first."""
    client: int = Field(default=16, ge=1, le=0xFFFF)
    """Client address, which chooses the association: 16 is public, 1 management, others as the maker says."""
    server: int = Field(default=1, ge=0, le=0xFFFF)
    """Logical device: the upper HDLC address, or the wPort."""
    physical: int | None = Field(default=None, ge=0, le=0x3FFF)
    """HDLC: physical device, the lower address; absent, the address has one part."""
    address_bytes: Literal["auto", 1, 2, 4] = Field(default="auto")
    """HDLC: length of the server address; auto takes as few bytes as it fits into."""
    max_info: int = Field(default=1024, ge=128, le=2030)
    """HDLC: longest information field to propose; the meter chooses a lower one where it wants to."""
    max_pdu: int = Field(default=0xFFFF, ge=64, le=0xFFFF)
    """Longest APDU that the meter may send, as it is told."""
    response_timeout_s: int | None = Field(default=None, ge=1, le=300)
    """Longest time to the beginning of an answer; default: 5 in HDLC, 20 with the wrapper."""
    attempts: int = Field(default=3, ge=1, le=10)
    """HDLC: how often a frame is sent before the meter counts as silent."""
    start_baud: Rate = Field(default=300)
    """optical: rate of the sign-on."""
    max_baud: Rate = Field(default=19200)
    """optical: highest rate to choose."""
    device_address: str = Field(default="", pattern=r"^[0-9A-Za-z ]{0,32}$")
    """optical: device address in the sign-on; empty where one meter is in front of the head."""

    authentication: Literal["none", "low", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256"] = Field(default=NONE)
    """How the association is opened. low and the hashes want a password, hls-gmac both keys."""
    security: Literal["none", "authenticated", "encrypted", "authenticated-encrypted"] = Field(default=NONE)
    """How messages are protected. Answers that are protected less than this are refused."""
    suite: Literal[0, 1, 2] = Field(default=0)
    """Security suite: 0 and 1 AES-128, 2 AES-256."""
    ciphering: Literal["global", "dedicated"] = Field(default="global")
    """Which key protects messages: the global one, or one that is made for each association."""
    general: bool = Field(default=False)
    """true: the general form with the system title in each message (general-glo-ciphering, general-ded-ciphering)."""
    system_title: Title = Field(default="")
    """Our own system title, 16 hexadecimal digits; no other client of the meter with the same keys may have it."""
    meter_title: Title = Field(default="")
    """The meter's system title, where it has to be this one; else what the meter says."""
    user_id: int | None = Field(default=None, ge=0, le=255)
    """Identification of the user of the client, where the meter wants one."""
    association_object: str = Field(default="0-0:40.0.0*255")
    """The association object: its list of objects, and where HLS is answered."""
    counter_object: str = Field(default="0-0:43.1.0*255")
    """The meter's invocation counter object, read when no counter is remembered; none: never asked."""
    counter_client: int = Field(default=16, ge=1, le=0xFFFF)
    """Client that may read the counter object without security."""
    counter_cap: int = Field(default=1_000_000, ge=1, le=0xFFFF_FFFF)
    """How far above the remembered counter the meter's one is believed: nothing proves it."""
    release: Literal["auto", "yes", "no"] = Field(default="auto")
    """Whether the association is released before the line is left; auto: with the wrapper only."""
    protected_release: bool = Field(default=False)
    """Whether the release carries a protected request: some meters want it where messages are protected."""
    without: tuple[str, ...] = Field(default=())
    """Services that are not proposed, by the names of the conformance block: multiple-references."""
    lists: Literal["auto", "no"] = Field(default="auto")
    """no: every attribute is asked for by itself."""

    vendor: str = Field(default=GENERIC)
    """Vendor profile: what status words and marks mean, and how profiles are read."""
    clock: Literal["legal", "standard", "utc"] = Field(default="legal")
    """What the meter's clock shows where it sends no deviation, and what it is asked for: legal time, standard time all
    the year, UTC."""
    deviation: Literal["utc-minus-local", "local-minus-utc", "ignored"] = Field(default="utc-minus-local")
    """What the deviation in the meter's times means; the standard's is UTC minus local time, in minutes."""
    daylight_bit: bool = Field(default=True)
    """false: the daylight saving bit of the meter's times means nothing."""
    range_deviation: Literal["auto", "set", "unset"] = Field(default="auto")
    """Whether times in requests for a range carry the deviation; auto: as the vendor profile says."""
    selective_access: Literal["auto", "range", "entry", "none"] = Field(default="auto")
    """How a part of a profile is asked for; auto: by range, by entry, whole, whichever the meter takes first."""
    set_clock: SetClock | None = Field(default=None)
    """Whether and how the clock may be set (gatewayd clock METER --set)."""
    push: PushOptions | None = Field(default=None)
    """For a meter that sends by itself and is not asked."""

    @field_validator("vendor")
    @classmethod
    def _vendor(cls, value: str) -> str:
        if value not in vendors():
            raise ValueError(f"'{value}' is no vendor profile; known: {', '.join(vendors())}")
        return value

    @field_validator("association_object", "counter_object")
    @classmethod
    def _object(cls, value: str, info: ValidationInfo) -> str:
        if value != NONE or info.field_name != "counter_object":
            Obis.parse(value)
        return value

    @field_validator("without")
    @classmethod
    def _without(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in _CONFORMANCE]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such service; known: {', '.join(_CONFORMANCE)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (message := contradiction(self)) is not None:
            raise ValueError(message)
        return self

    @property
    def ciphered(self) -> bool:
        """Whether messages are protected."""
        return self.security != NONE

    @property
    def counted(self) -> bool:
        """Whether an invocation counter is needed: every use of the block cipher takes one."""
        return self.ciphered or self.authentication == "hls-gmac"

    @property
    def withheld(self) -> Conformance:
        """The services of `without`."""
        result = Conformance(0)
        for name in self.without:
            result |= _CONFORMANCE[name]
        return result

    @property
    def server_address(self) -> Address:
        """The HDLC address. ValueError where it does not fit; the checks of the configuration have seen that."""
        size = None if self.address_bytes == "auto" else self.address_bytes
        return address(self.server, self.physical, size)

    def secret(self) -> bytes:
        """The password or HLS secret, b"" without one; SecretUnavailable."""
        return password_octets(self)

    def keys(self) -> tuple[bytes, bytes]:
        """Encryption key and authentication key, b"" where none is configured; SecretUnavailable."""
        size = KEY_OCTETS[self.suite]
        return self.key("block_cipher_key", size), self.key("authentication_key", size)

    @property
    def fingerprint(self) -> str:
        """Changes when the file of a password or key is changed, or what it is used for; "" where there is none. No
        part of a secret."""
        state = state_of_references(self, ("password", "block_cipher_key", "authentication_key"))
        way = f"{self.client} {self.server} {self.physical} {self.association_object} {self.user_id}"
        ciphering = f"{self.security} {self.suite} {self.ciphering} {self.general} {self.system_title}"
        use = f"{way} {self.authentication} {ciphering}"
        return f"{use}|{state}" if state else ""


_CONFORMANCE = {flag.name.lower().replace("_", "-"): flag for flag in Conformance if flag.name is not None}
