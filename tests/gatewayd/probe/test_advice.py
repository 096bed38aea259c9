"""What is proposed loads as it stands; and what is said when nobody answered fits what was heard."""

import pytest

from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel import Framing
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS, iec_words
from gatewayd.probe.advice import Tried, advice, snippet
from gatewayd.probe.attempts import Attempt, Finding, Protocol, Scope, plan

BASE = (
    "gateway: {id: gw-1}\narchive: {path: /var/lib/gatewayd}\nlines:\n  optical: {type: serial, device: /dev/ttyUSB0}\n"
)


def attempt(protocol: Protocol = Protocol.IEC) -> Attempt:
    return plan(Scope(frozenset({protocol}), bauds=(300,)), iec_words())[0]


def test_what_is_proposed_for_a_meter_loads() -> None:
    words = iec_words("0012")
    for judge, said in ((words.judge, b"/LGZ4\\2ZMD310\r\n"), (words.telegram, b"/XMX5LGBB\r\n\r\n!1234\r\n")):
        finding = judge(said, True, 2400)
        assert finding is not None
        text = BASE + snippet(finding, "optical")
        config = parse(text, "proposal.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
        assert config.warnings == ()
        options = config.meters[0].options
        assert isinstance(options, Iec62056_21Options)
        assert (options.mode, options.start_baud) == (finding.mode if finding.mode == "D" else "C", 2400)
        assert options.address == finding.address


@pytest.mark.parametrize(
    "options",
    [
        (("transport", "wrapper"), ("client", "16"), ("server", "1"), ("authentication", "none")),
        (("transport", "hdlc"), ("client", "16"), ("server", "1"), ("physical", "17"), ("address_bytes", "4")),
        (("push", "{}"),),
    ],
)
def test_what_is_proposed_for_a_dlms_meter_loads(options: tuple[tuple[str, str], ...]) -> None:
    finding = Finding("DLMS", 9600, Framing.N81, "dlms", options=options)
    text = BASE + snippet(finding, "optical")
    config = parse(text, "proposal.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    dumped = config.meters[0].options.model_dump(mode="json")
    assert {name: dumped[name] for name, _ in options if name != "push"} == {
        name: int(value) if value.isdecimal() else value for name, value in options if name != "push"
    }


def test_of_modbus_a_scan_tells_the_map() -> None:
    finding = Finding(
        "Modbus RTU", 9600, Framing.E81, "modbus", address="3", options=(("unit", "3"), ("transport", "rtu"))
    )
    assert snippet(finding, "bus").splitlines() == [
        "# line bus: baud: 9600, framing: 8E1",
        "# gatewayd scan bus --units 3    # finds its map and writes its entry",
    ]


def test_of_what_has_no_driver_there_is_only_a_comment() -> None:
    assert snippet(Finding("SML", 9600, Framing.N81), "optical") == "# gatewayd has no driver for SML\n"


def said(*tried: Tried) -> str:
    return "\n".join(advice(tried))


def test_silence() -> None:
    text = said(Tried(attempt(), b""))
    assert "optical head" in text
    assert "--address" in text
    assert "right device of the machine" in text
    assert "bus" not in text


def test_only_the_echo() -> None:
    text = said(Tried(attempt(), b"/?!\r\n"))
    assert "comes back" in text
    assert "right device of the machine" not in text


def test_the_echo_of_a_wake_up_is_nothing_foreign() -> None:
    assert Tried(attempt(), b"\0\0\0/?!\r\n").foreign == b""
    assert Tried(attempt(), b"\0/?!\r\n\x80").foreign == b""


def test_bytes_that_nothing_explains() -> None:
    text = said(Tried(attempt(), b"/?!\r\n" + bytes(range(1, 40))))
    assert (
        "at 300 Bd 7E1 came 39 bytes that no protocol explains (01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 ...)"
        in text
    )
    assert "optical head" not in text


def test_a_bus() -> None:
    text = said(Tried(attempt(Protocol.MODBUS), b""))
    assert "--units" in text
    assert "A and B" in text
    assert "optical head:" not in text
    assert "--address 1/17" not in text
    assert "--address 1/17" in said(Tried(attempt(Protocol.DLMS), b""))


def test_on_tcp_there_is_no_rate_and_another_kind_of_modbus() -> None:
    text = "\n".join(advice([Tried(attempt(Protocol.MODBUS), b"")], "board"))
    assert "Modbus TCP (gatewayd scan board)" in text and "--baud" not in text
