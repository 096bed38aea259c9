"""Options of drivers and sinks that exist only here, and a configuration that uses every documented key."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from gatewayd import config
from gatewayd.errors import ConfigError
from gatewayd.options import Options, PasswordReference


class Telegram(PasswordReference):
    """A driver with a password."""

    mode: Literal["A", "B", "C"] = "C"
    """Protocol mode."""
    vendor: str = "generic"
    """Name of the vendor table."""
    address: str = ""
    """Device address."""


class Serial(Options):
    type: Literal["rtu"]
    stop_bits: Literal[1, 2] = 1


class Network(Options):
    type: Literal["tcp"]
    port: int = Field(default=502, ge=1, le=65535)


class Field_(Options):
    """A driver whose options use every kind of type."""

    unit: int = Field(ge=1, le=247)
    """Unit address, such as 1."""
    map: str = Field(min_length=1)
    """Register map."""
    transport: Annotated[Serial | Network, Field(discriminator="type")] | None = None
    """How frames are sent."""
    swap: bool = False
    """Whether words are swapped."""
    pause: timedelta = timedelta(seconds=1)
    """Pause between requests."""
    blocks: dict[str, int] = Field(default_factory=dict)
    """Sizes of blocks by name."""
    units: tuple[int, ...] = Field(default=(), max_length=2)
    """More unit addresses."""
    key_pin: int = 0
    """A number that is nobody's business."""

    @model_validator(mode="after")
    def _units_differ(self) -> "Field_":
        if self.unit in self.units:
            raise ValueError(f"unit {self.unit} stands in units too")
        return self


class Broker(PasswordReference):
    """A sink with a password."""

    host: str
    """Name or address of the broker."""
    port: int = Field(default=1883, ge=1, le=65535)
    """The TCP port."""
    prefix: str = "gatewayd"
    """First level of the topics."""


class Database(Options):
    """A sink without a password."""

    dialect: Literal["victoriametrics", "influx"]
    """Which database."""
    url: Annotated[str, Field(pattern="^https?://")]
    """Where it is."""


DRIVERS: dict[str, type[BaseModel]] = {"telegram": Telegram, "field": Field_}
SINKS: dict[str, type[BaseModel]] = {"broker": Broker, "database": Database}

EVERYTHING = """\
gateway: {id: gw-brno-1, timezone: Europe/Prague, clock: trusted}
archive: {path: /var/lib/gatewayd, retention_months: 48}
acquisition: {sessions: 100, spread: 0s}
manual: {most_rows: 200, tolerance: 2.5, maximum: 30, hold: true}
policies:
  A:
    period: 5m
    evaluation: 60m
    at: 00:40
    on: daily
    deadline: 07:30
    retry_window: 5d
    backfill_months: 24
    clock_limit: 4s
    set_clock: false
  B: {on: tue, retry_window: 30d}
  C: {at: 00:10, on: 2}
  AMM: {deadline: none}
lines:
  optical: {type: serial, device: /dev/gatewayd/optical0, switch_delay_ms: 250}
  bus:     {type: serial, device: /dev/ttyS1, baud: 9600, framing: 7E1}
  cabin:   {type: tcp, host: 192.0.2.10, port: 4059, framing: 8N1, connect_timeout_s: 2.5}
  gsm:
    type: modem
    device: /dev/modem0
    baud: 19200
    network: pstn
    bearer: 71,0,1
    bearer_required: false
    dialling: pulse
    pin_file: /etc/gatewayd/gsm.pin
    init: [AT+CLIP=0, {command: at&k3, required: true}]
    setup_s: 60.5
    hang_up_s: 4
    guard_ms: 600
    call_window: [22:00-24:00, 00:10-05:30, 23:30-01:15]
    framing: 8N1
    max_call_s: 600
    pool: night
meters:
  - id: em-1001
    driver: telegram
    line: optical
    metering_type: A               # A | B | C | AMM
    voltage: medium
    policy: {period: 15m, deadline: 08:00}
    serial: 00123
    point: {eic: 27ZG600Z0424987D, ean: 859182400123456789}
    ratio:
      - {ct: 200/5, vt: 22000/100}
      - {ct: 300/5, vt: 22000/100, multiplier: 1.50, value_side: primary, since: 2024-05-01}
    telegram: {mode: B, vendor: no, address: 0012, password_file: /etc/gatewayd/em-1001.pw}
    jobs:
      - {registers: [1-0:1.8.0, 2.8.0], every: 15m}
      - {registers: all, at: 00:05}
      - profile: 1-0:99.1.0
        at: 00:20
        on: daily
        backfill_months: 12
        period: 15m
        channels: [1-0:1.29.0, 1-0:5.29.0]
      - {profile: P.98, every: 1h}
      - {registers: [1.8.1], at: 03:00, on: 1}
  - id: em-2001
    driver: telegram
    line: cabin
    metering_type: AMM
    jobs: [{registers: all, at: "23:59:30"}, {profile: 1-0:99.1.0}]
  - id: em-3001
    driver: field
    line: bus
    field: {unit: 1, map: m, swap: true, pause: 2m, blocks: {a: 1}, units: [2, 3], transport: {type: rtu, stop_bits: 2}}
    jobs: [{registers: all, every: 1h}]
  - {id: em-4001, driver: telegram, line: night, phone: "+420601234589", jobs: [{registers: all, at: 00:05}]}
  - id: reg-1
    driver: telegram
    line: cabin
    metering_type: C
    jobs: [{registers: all}]
    points:
      - id: reg-1-a
        point: {ean: 859182400123456789}
        ratio: [{ct: 100/5}]
        metering_type: B
        voltage: low
        channels: [1-1, 1-5:1.8.0]
        policy: {backfill_months: 6}
        jobs: [{profile: 1-1:99.1.0}]
      - {id: reg-1-b, channels: [1-2], jobs: [{registers: [1-2:1.8.0], on: 15}]}
sinks:
  - {id: mqtt, type: broker, host: localhost, port: 8883, prefix: gw, password_env: MQTT_PASSWORD}
  - {id: tsdb, type: database, dialect: victoriametrics, url: "http://localhost:8428"}
"""

HEAD = """\
gateway: {id: gw}
archive: {path: /a}
lines:
  l: {type: tcp, host: h, port: 1}
"""
"""Four lines that are right; a test adds what it is about from line 5 on."""


def parse(text: str) -> config.Config:
    return config.parse(text, "f.yaml", DRIVERS, SINKS)


def faults(text: str) -> list[str]:
    """The findings as they are printed; empty where the text can be used."""
    try:
        parse(text)
    except ConfigError as error:
        assert str(error) == "\n".join(finding.text("f.yaml") for finding in error.findings)
        assert error.path == "f.yaml"
        return [finding.text("f.yaml") for finding in error.findings]
    return []
