"""What may stand in the configuration of an MQTT sink."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gatewayd.options import Options, PasswordReference
from gatewayd.sink.tls import TlsOptions

_PREFIX = r"^[^$/+#\x00-\x1f]([^+#\x00-\x1f]*[^/+#\x00-\x1f])?$"


class HomeAssistantOptions(Options):
    """Discovery of live registers by Home Assistant."""

    prefix: str = Field(default="homeassistant", pattern=_PREFIX)
    """First levels of the topics that Home Assistant listens to (discovery_prefix)."""


class ReplayOptions(Options):
    """Requests to publish again what is in the archive; a meter is never asked for them."""

    readings: int = Field(default=100_000, ge=1, le=10_000_000)
    """Most readings that one request may ask for."""
    waiting: int = Field(default=4, ge=1, le=100)
    """Most requests that may wait; more are refused."""


class MqttOptions(PasswordReference):
    """What may stand in the configuration of an MQTT sink."""

    host: str = Field(min_length=1)
    """Name or address of the broker."""
    port: int = Field(default=1883, ge=1, le=65535)
    """TCP port of the broker; with TLS usually 8883."""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """Version of MQTT; auto is 5, and 3.1.1 with a broker that does not know 5."""
    tls: TlsOptions | None = None
    """TLS with the broker; absent for a connection that everybody on the way can read and change."""
    prefix: str = Field(default="gatewayd", pattern=_PREFIX)
    """First levels of every topic."""
    username: str | None = Field(default=None, min_length=1)
    """User at the broker; the password is given by reference."""
    client_id: str | None = Field(default=None, min_length=1)
    """Client id at the broker, by default gatewayd-GATEWAY-SINK. Two clients with the same id throw each other out."""
    keepalive_s: int = Field(default=60, ge=5, le=65535)
    """Seconds without traffic after which the connection is probed."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds to wait for any one answer of the broker."""
    window: int = Field(default=20, ge=1, le=1000)
    """Messages on their way at once; at most so many come again after a fault."""
    message_limit: int = Field(default=64 * 1024, ge=4096, le=16 * 1024 * 1024)
    """Size in bytes up to which intervals and events share a message. Keep it below the limit of the broker."""
    message_expiry_s: int | None = Field(default=None, ge=1, le=0xFFFF_FFFF)
    """Seconds after which a broker forgets a reading that nobody took (MQTT 5 only); absent: never."""
    home_assistant: HomeAssistantOptions | None = None
    """Discovery by Home Assistant; absent: none."""
    replay: ReplayOptions | None = None
    """Requests to publish archived readings again, on the topic {prefix}/{gateway}/replay; absent: not listened to."""

    @model_validator(mode="after")
    def _password_needs_user(self) -> Self:
        referenced = self.password_file or self.password_env or self.password_credential
        if referenced and self.username is None:
            raise ValueError("a password needs a username (MQTT 3.1.1 3.1.2.9)")
        return self
