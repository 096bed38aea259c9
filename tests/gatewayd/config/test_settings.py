"""Every documented key, what it becomes, and what it is when it is left out."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from gatewayd import config
from gatewayd.dialling import PhoneNumber, Window
from gatewayd.errors import ConfigError, Finding
from gatewayd.model import (
    Increments,
    Listen,
    LoadProfile,
    Meter,
    MeteringType,
    Part,
    Point,
    Ratio,
    Registers,
    ValueSide,
)
from gatewayd.obis import Obis
from tests.gatewayd.config.doubles import (
    DRIVERS,
    EVERYTHING,
    HEAD,
    SINKS,
    Broker,
    Database,
    Field_,
    Serial,
    Telegram,
    parse,
)


@pytest.fixture(scope="module")
def everything() -> config.Config:
    return parse(EVERYTHING)


def test_gateway(everything: config.Config) -> None:
    assert everything.gateway.id == "gw-brno-1"
    assert everything.gateway.timezone == "Europe/Prague"
    assert everything.gateway.clock == "trusted"
    assert everything.gateway.zone == ZoneInfo("Europe/Prague")


def test_archive(everything: config.Config) -> None:
    assert everything.archive.path == Path("/var/lib/gatewayd")
    assert everything.archive.retention_months == 48


def test_serial_lines(everything: config.Config) -> None:
    assert everything.lines["optical"] == config.SerialLine(
        id="optical", device=Path("/dev/gatewayd/optical0"), switch_delay_ms=250
    )
    assert everything.lines["bus"] == config.SerialLine(
        id="bus", device=Path("/dev/ttyS1"), baud=9600, framing="7E1", switch_delay_ms=0
    )


def test_tcp_line(everything: config.Config) -> None:
    line = everything.lines["cabin"]
    assert line == config.TcpLine(
        id="cabin", host="192.0.2.10", port=4059, framing="8N1", connect_timeout_s=Decimal("2.5")
    )
    assert isinstance(line, config.TcpLine)
    assert line.type == "tcp"


def test_rfc2217_lines() -> None:
    text = (
        "gateway: {id: g}\narchive: {path: a}\nlines:\n"
        "  all: {type: rfc2217, host: 192.0.2.7, port: 7001, baud: 9600, framing: 7E1, connect_timeout_s: 2.5}\n"
        "  few: {type: rfc2217, host: 192.0.2.7, port: 7001}\n"
    )
    lines = parse(text).lines
    assert lines["all"] == config.Rfc2217Line(
        id="all", host="192.0.2.7", port=7001, baud=9600, framing="7E1", connect_timeout_s=Decimal("2.5")
    )
    assert lines["few"] == config.Rfc2217Line(
        id="few", host="192.0.2.7", port=7001, baud=None, framing=None, connect_timeout_s=Decimal(10)
    )
    assert lines["few"].type == "rfc2217"


def test_lines_on_which_meters_call_us() -> None:
    text = (
        "gateway: {id: g}\narchive: {path: a}\nlines:\n"
        "  all: {type: tcp_listen, bind: 192.0.2.5, port: 4059, framing: 8N1, idle_s: 60, connect_timeout_s: 2.5}\n"
        "  few: {type: tcp_listen, port: 4060}\n"
        "  datagrams: {type: udp_listen, bind: '2001:DB8::0', port: 4059, connect_timeout_s: 3}\n"
        "meters:\n"
        "  - {id: m1, driver: telegram, line: all, peer: 192.0.2.20, jobs: [{listen: true}]}\n"
        "  - {id: m2, driver: telegram, line: all, peer: m2.example, jobs: [{listen: true, silence: 2h}]}\n"
    )
    read = parse(text)
    assert read.lines["all"] == config.TcpListenLine(
        id="all", bind="192.0.2.5", port=4059, framing="8N1", idle_s=60, connect_timeout_s=Decimal("2.5")
    )
    assert read.lines["few"] == config.TcpListenLine(
        id="few", bind="0.0.0.0", port=4060, framing=None, idle_s=3600, connect_timeout_s=Decimal(60)
    )
    datagrams = read.lines["datagrams"]
    assert datagrams == config.UdpListenLine(id="datagrams", bind="2001:db8::", port=4059, connect_timeout_s=Decimal(3))
    assert (datagrams.type, datagrams.framing, read.lines["few"].type) == ("udp_listen", None, "tcp_listen")
    assert [meter.peer for meter in read.meters] == ["192.0.2.20", "m2.example"]
    first, second = read.meters[0].jobs + read.meters[1].jobs
    assert (first.request, first.silence) == (Listen(), timedelta(hours=25))
    assert second == config.Job(listen=True, silence=timedelta(hours=2))


def test_modem_lines(everything: config.Config) -> None:
    line = everything.lines["gsm"]
    assert isinstance(line, config.ModemLine)
    assert (line.type, line.id, line.device, line.host, line.port) == ("modem", "gsm", Path("/dev/modem0"), None, None)
    assert (line.baud, line.network, line.dialling, line.framing) == (19200, "pstn", "pulse", "8N1")
    assert (line.bearer, line.bearer_required) == ("71,0,1", False)
    assert line.pin_file == Path("/etc/gatewayd/gsm.pin")
    assert [(step.command, step.required) for step in line.init] == [("AT+CLIP=0", False), ("at&k3", True)]
    assert (line.setup_s, line.hang_up_s, line.guard_ms, line.max_call_s) == (Decimal("60.5"), Decimal(4), 600, 600)
    assert line.call_window == (
        Window(time(22), time(0)),
        Window(time(0, 10), time(5, 30)),
        Window(time(23, 30), time(1, 15)),
    )
    assert everything.pools == {"night": (line,)}
    assert everything.lines_of("night") == (line,)
    assert everything.lines_of("bus") == (everything.lines["bus"],)
    assert everything.meters[3].line == "night"
    assert everything.meters[3].phone == PhoneNumber("+420601234589")
    assert "601234589" not in repr(everything)


def test_modem_lines_at_a_serial_server() -> None:
    text = (
        "gateway: {id: g}\narchive: {path: a}\nlines:\n"
        "  all: {type: modem, host: 192.0.2.8, port: 7002, via: rfc2217}\n"
        "  few: {type: modem, host: 192.0.2.8, port: 7003, call_window: 00:10-05:30}\n"
    )
    lines = parse(text).lines
    assert lines["all"] == config.ModemLine(
        id="all",
        host="192.0.2.8",
        port=7002,
        via="rfc2217",
        baud=9600,
        network="cellular",
        bearer="",
        bearer_required=True,
        dialling="default",
        pin_file=None,
        init=(),
        setup_s=Decimal(90),
        hang_up_s=Decimal(8),
        guard_ms=1200,
        call_window=(),
        framing=None,
        max_call_s=1800,
        pool=None,
    )
    assert isinstance(lines["few"], config.ModemLine)
    assert (lines["few"].via, lines["few"].call_window) == ("tcp", (Window(time(0, 10), time(5, 30)),))


def test_meter(everything: config.Config) -> None:
    first = everything.meters[0]
    assert first.meter == Meter(
        id="em-1001",
        driver="telegram",
        line="optical",
        metering_type=MeteringType.A,
        serial="00123",
        point=Point("27ZG600Z0424987D", "859182400123456789"),
        ratios=(
            Ratio("200/5", "22000/100"),
            Ratio("300/5", "22000/100", Decimal("1.50"), ValueSide.PRIMARY, date(2024, 5, 1)),
        ),
    )
    assert str(first.ratio[1].multiplier) == "1.50"
    types = [MeteringType.A, MeteringType.AMM, MeteringType.C, MeteringType.C, MeteringType.C]
    assert [meter.metering_type for meter in everything.meters] == types


def test_options_are_instances_of_the_drivers_class(everything: config.Config) -> None:
    first, second, third, *_ = (meter.options for meter in everything.meters)
    assert first == Telegram(mode="B", vendor="no", address="0012", password_file=Path("/etc/gatewayd/em-1001.pw"))
    assert second == Telegram()
    assert third == Field_(
        unit=1,
        map="m",
        swap=True,
        pause=timedelta(minutes=2),
        blocks={"a": 1},
        units=(2, 3),
        transport=Serial(type="rtu", stop_bits=2),
    )


def test_jobs(everything: config.Config) -> None:
    first, second, *_ = everything.meters[0].jobs
    assert first == config.Job((Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0")), every=timedelta(minutes=15))
    assert second == config.Job((), at=time(0, 5))
    assert everything.meters[1].jobs[0] == config.Job((), at=time(23, 59, 30))
    assert everything.meters[2].jobs == (config.Job((), every=timedelta(hours=1)),)
    assert first.request == Registers(first.registers)


def test_a_job_of_intervals() -> None:
    job = config.Job((Obis.parse("1.8.0"),), timedelta(minutes=15), intervals=True, rollover=Decimal(1000))
    assert job.request == Increments(job.registers, timedelta(minutes=15), Decimal(1000))
    meter = "{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 15m, rollover: 1000}]}"
    assert parse(f"{HEAD}meters: [{meter}]\n").meters[0].jobs == (job,)


def test_jobs_of_profiles(everything: config.Config) -> None:
    profile, channels = Obis.parse("1-0:99.1.0"), (Obis.parse("1-0:1.29.0"), Obis.parse("1-0:5.29.0"))
    quarter = timedelta(minutes=15)
    *_, full, events, monthly = everything.meters[0].jobs
    assert full == config.Job(at=time(0, 20), profile=profile, months=12, period=quarter, channels=channels)
    assert full.request == LoadProfile(profile, 12, quarter, channels)
    assert events.request == LoadProfile(Obis.parse("P.98"), months=24)  # the policy's, without a word of the rest
    assert (events.every, events.at, events.on) == (timedelta(hours=1), None, None)
    assert monthly == config.Job((Obis.parse("1.8.1"),), at=time(3), on=1)
    assert everything.meters[1].jobs[1] == config.Job(at=time(0, 20), profile=profile)  # when the policy says


def test_a_registrar(everything: config.Config) -> None:
    registrar = everything.meters[4]
    first, second = registrar.parts
    meter = Meter(
        "reg-1-a",
        "telegram",
        "cabin",
        MeteringType.B,
        point=Point(ean="859182400123456789"),
        ratios=(Ratio("100/5"),),
    )
    assert first.part == Part(meter, ((1, 1),), (Obis.parse("1-5:1.8.0"),))
    assert second.part == Part(Meter("reg-1-b", "telegram", "cabin", MeteringType.C), ((1, 2),))
    assert (first.voltage, second.voltage, first.id) == ("low", None, "reg-1-a")
    assert (first.policy.on, first.policy.backfill_months, first.policy.retry_window) == ("tue", 6, timedelta(days=30))
    assert second.policy == registrar.policy
    assert first.jobs == (
        config.Job(at=time(2), on="tue", profile=Obis.parse("1-1:99.1.0"), months=6),  # all of it by its own policy
    )
    assert second.jobs == (config.Job((Obis.parse("1-2:1.8.0"),), at=time(0, 10), on=15),)
    assert registrar.jobs == (config.Job((), at=time(0, 10), on=2),)
    assert registrar.meter.parts == (first.part, second.part)
    assert registrar.meter.owner(Obis.parse("1-1:2.8.0")) == meter
    assert registrar.all_jobs == (
        (registrar.policy, registrar.jobs[0]),
        (first.policy, first.jobs[0]),
        (second.policy, second.jobs[0]),
    )


def test_everything_under_whose_id_there_are_readings(everything: config.Config) -> None:
    ids = ["em-1001", "em-2001", "em-3001", "em-4001", "reg-1", "reg-1-a", "reg-1-b"]
    assert [meter.id for meter in everything.metered] == ids
    assert everything.metered[4].parts[0].meter is everything.metered[5]


def test_acquisition(everything: config.Config) -> None:
    assert everything.acquisition == config.AcquisitionSettings(sessions=100, spread=timedelta(0))
    assert parse(HEAD).acquisition == config.AcquisitionSettings(sessions=160, spread=timedelta(seconds=60))


def test_readings_by_hand(everything: config.Config) -> None:
    found, usual = everything.manual, parse(HEAD).manual
    assert (found.most_rows, found.tolerance, found.maximum, found.hold) == (200, Decimal("2.5"), Decimal(30), True)
    assert (usual.most_rows, usual.tolerance, usual.maximum, usual.hold) == (500, Decimal(3), Decimal(20), False)
    assert {type(one) for one in (usual.tolerance, usual.maximum, found.tolerance, found.maximum)} == {Decimal}


def test_sinks(everything: config.Config) -> None:
    assert everything.sinks == (
        config.SinkSettings(
            "mqtt", "broker", Broker(host="localhost", port=8883, prefix="gw", password_env="MQTT_PASSWORD")
        ),
        config.SinkSettings("tsdb", "database", Database(dialect="victoriametrics", url="http://localhost:8428")),
    )
    assert type(everything.sinks[0].options) is Broker


def test_there_is_nothing_to_warn_about(everything: config.Config) -> None:
    assert everything.warnings == ()


def test_defaults() -> None:
    read = parse(
        "gateway: {id: g}\narchive: {path: a}\n"
        "lines: {s: {type: serial, device: d}, t: {type: tcp, host: h, port: 1}}\n"
        "meters: [{id: m, driver: telegram, line: s}]\n"
    )
    assert read.gateway.timezone == "Europe/Prague"
    assert read.gateway.clock == "kernel"
    assert (read.archive.retention_months, read.archive.segment_mb) == (36, 1024)
    assert read.lines["s"] == config.SerialLine(id="s", device=Path("d"), baud=None, framing=None, switch_delay_ms=0)
    assert read.lines["t"] == config.TcpLine(id="t", host="h", port=1, framing=None, connect_timeout_s=Decimal(10))
    assert read.meters[0] == config.MeterSettings("m", "telegram", "s", Telegram())
    assert read.meters[0].metering_type is MeteringType.C
    assert read.sinks == ()


def test_nothing_can_be_changed(everything: config.Config) -> None:
    with pytest.raises(FrozenInstanceError):
        everything.meters = ()  # type: ignore[misc]  # the point of the test
    with pytest.raises(ValidationError):
        everything.gateway.id = "x"
    with pytest.raises(TypeError):
        everything.lines["x"] = everything.lines["bus"]  # type: ignore[index]  # the point of the test
    assert isinstance(everything.lines, Mapping)


@pytest.mark.parametrize("kind", ["without any", "with one"])
def test_few_drivers_and_sinks(kind: str) -> None:
    """A union of one or none is not a union to pydantic."""
    if kind == "without any":
        assert config.parse(HEAD, "f.yaml", {}, {}).meters == ()
        with pytest.raises(ConfigError, match=r"meters\[0\].driver: unknown driver 'x'; there are no drivers"):
            config.parse(HEAD + "meters: [{id: m, driver: x, line: l}]\nsinks: [{id: s, type: y}]", "f.yaml", {}, {})
        return
    text = HEAD + "meters: [{id: m, driver: telegram, line: l}]\nsinks: [{id: s, type: broker, host: h}]"
    read = config.parse(text, "f.yaml", {"telegram": Telegram}, {"broker": Broker})
    assert (read.meters[0].options, read.sinks[0].options) == (Telegram(), Broker(host="h"))
    with pytest.raises(
        ConfigError, match=r"unknown driver 'x'; known drivers: telegram\n(.*\n)*.*unknown sink type 'y'"
    ):
        config.parse(
            HEAD + "meters: [{id: m, driver: x, line: l}]\nsinks: [{id: s, type: y}]",
            "f.yaml",
            {"telegram": Telegram},
            {"broker": Broker},
        )


WARNED = """\
gateway: {id: gw}
archive: {path: /a}
lines:
  a: {type: serial, device: /dev/ttyS0}
  b: {type: serial, device: /dev/ttyS0}
meters:
  - id: m1
    driver: telegram
    line: a
    metering_type: B
  - id: m2
    driver: telegram
    line: a
    point: {eic: 27ZG600Z0424987Q,
            ean: 859182400123456784}
    jobs: [{registers: all, every: 1d}]
  - {id: m3, driver: telegram, line: a, point: {eic: 27AAAAAAAAAAAAS-}, jobs: [{registers: all, every: 1d}]}
"""


def test_warnings_do_not_keep_from_running() -> None:
    assert list(parse(WARNED).warnings) == [
        Finding(5, "lines.b", "no meter uses this line"),
        Finding(5, "lines.b.device", "line 'a' has the same device; only one of them can have it open"),
        Finding(7, "meters[0]", "has no jobs, so it is never read by itself"),
        Finding(7, "meters[0]", "metering type B without a point; expected the EIC or EAN that its data belong to"),
        Finding(14, "meters[1].point.eic", "the check character of the EIC should be 'D', not 'Q'; copied wrongly?"),
        Finding(15, "meters[1].point.ean", "the check digit of the EAN should be 9, not 4; copied wrongly?"),
        Finding(
            17,
            "meters[2].point.eic",
            parse(WARNED).warnings[-1].message,
        ),
    ]


def test_a_configuration_without_meters_is_worth_a_warning() -> None:
    read = parse("gateway: {id: g}\narchive: {path: a}\n")
    assert read.warnings == (Finding(1, "meters", "no meters are configured, so nothing is read"),)


def test_load_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "gatewayd.yaml"
    path.write_text("\ufeff" + EVERYTHING, encoding="utf-8")
    assert config.load(path, DRIVERS, SINKS) == parse(EVERYTHING)
