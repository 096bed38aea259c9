"""The plan: what is tried, in which order, and what an answer means. The words of IEC 62056-21 are the daemon's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel import Framing
from gatewayd.daemon import iec_words
from gatewayd.probe.advice import snippet
from gatewayd.probe.attempts import Attempt, Finding, Protocol, Scope, plan
from gatewayd.probe.frames import Server, associate, fcs, read_register, release

LGZ = b"/LGZ4\\2ZMD3104107.B32\r\n"
UA = bytes.fromhex("7EA01E210373C37A81801205018006018007040000000108040000000 1533B7E".replace(" ", ""))
DM = bytes.fromhex("7EA00721031F6BE97E")
"""Of the same two, control 1F; its check sequence by the table of ISO/IEC 13239 annex A."""


def attempts(*protocols: Protocol, **scope: object) -> tuple[Attempt, ...]:
    chosen = frozenset(protocols) or frozenset(Protocol)
    return plan(Scope(protocols=chosen, **scope), iec_words())  # type: ignore[arg-type]


def judged(attempt: Attempt, data: bytes) -> Finding:
    finding = attempt.judge(data, False)
    assert finding is not None
    return finding


def test_the_usual_order() -> None:
    tried = [(one.protocol, one.baud, one.framing.value, one.wake_up) for one in attempts(units=[1])]
    assert tried == [
        (Protocol.PUSH, 9600, "8N1", False),
        (Protocol.PUSH, 115200, "8N1", False),
        (Protocol.PUSH, 2400, "8N1", False),
        (Protocol.IEC, 300, "7E1", False),
        (Protocol.IEC, 9600, "7E1", False),
        (Protocol.IEC, 2400, "7E1", False),
        (Protocol.IEC, 1200, "7E1", False),
        (Protocol.IEC, 4800, "7E1", False),
        (Protocol.IEC, 19200, "7E1", False),
        (Protocol.IEC, 300, "7E1", True),
        (Protocol.DLMS, 9600, "8N1", False),
        (Protocol.DLMS, 2400, "8N1", False),
        (Protocol.DLMS, 19200, "8N1", False),
        (Protocol.DLMS, 115200, "8N1", False),
        (Protocol.DLMS, 300, "8N1", False),
        (Protocol.MODBUS, 9600, "8N1", False),
        (Protocol.MODBUS, 9600, "8E1", False),
        (Protocol.MODBUS, 19200, "8E1", False),
    ]


def test_what_is_sent() -> None:
    sent = {one.protocol: one.send for one in attempts()}
    assert sent[Protocol.PUSH] == b""
    assert sent[Protocol.IEC] == b"/?!\r\n"
    assert sent[Protocol.DLMS].hex() == "7ea0070321930f017e"
    assert sent[Protocol.MODBUS] == read_register(8)
    assert {one.goodbye for one in attempts(Protocol.IEC)} == {b"\x01B0\x03q"}
    assert {one.goodbye.hex() for one in attempts(Protocol.DLMS)} == {"7ea00703215303c77e"}


@given(
    st.sets(st.sampled_from(list(Protocol))),
    st.lists(st.sampled_from([300, 1200, 9600, 115200]), max_size=3),
    st.sampled_from([None, *Framing]),
    st.booleans(),
)
def test_nothing_that_is_sent_carries_a_password_or_writes(
    protocols: set[Protocol], bauds: list[int], fixed: Framing | None, has_rate: bool
) -> None:
    for one in attempts(*protocols, bauds=tuple(bauds), fixed=fixed, has_rate=has_rate):
        for message in (one.send, one.goodbye):
            assert not message.startswith((b"\x01P", b"\x01W", b"\x01E")), "IEC 62056-21 P, W and E commands"
        if one.protocol is Protocol.MODBUS:
            assert one.send[1] == 3, "reads holding registers"
        if one.protocol is Protocol.DLMS:
            if one.what == "SNRM":
                assert (one.send[5], one.goodbye[5]) == (0x93, 0x53), "SNRM and DISC, no information frame"
            else:
                assert (one.send, one.goodbye) == (associate(1), release(1)), "AARQ without authentication, RLRQ"


def test_a_rate_that_is_configured_comes_first_and_is_not_tried_twice() -> None:
    assert [one.baud for one in attempts(Protocol.DLMS, usual_baud=2400)] == [2400, 9600, 19200, 115200, 300]
    assert attempts(Protocol.MODBUS, usual_baud=4800)[0].baud == 4800


def test_rates_that_are_asked_for_are_the_only_ones() -> None:
    assert {one.baud for one in attempts(bauds=(4800, 600))} == {4800, 600}


def test_a_line_without_rates_needs_fewer_steps() -> None:
    tried = [(one.protocol, one.what) for one in attempts(has_rate=False, units=[1])]
    assert tried == [
        (Protocol.PUSH, "listening"),
        (Protocol.DLMS, "association in the wrapper"),
        (Protocol.IEC, "sign-on"),
        (Protocol.IEC, "sign-on after a wake-up"),
        (Protocol.DLMS, "SNRM"),
        (Protocol.MODBUS, "read a register of unit 1"),
    ]


def test_a_fixed_framing_leaves_what_fits() -> None:
    assert {one.protocol for one in attempts(fixed=Framing.E71)} == {Protocol.PUSH, Protocol.IEC}
    tried = attempts(Protocol.MODBUS, fixed=Framing.N82, units=[1])
    assert [(one.baud, one.framing) for one in tried] == [(9600, Framing.N82), (19200, Framing.N82)]


def test_the_time_that_is_told_before() -> None:
    (listening,) = attempts(Protocol.PUSH, bauds=(9600,), listen=7.0)
    assert listening.seconds == pytest.approx(7.1)
    sign_on, woken = attempts(Protocol.IEC, bauds=(300,))
    assert sign_on.seconds == pytest.approx(2.0 + 5 * 10 / 300 + 0.1)
    assert woken.seconds == pytest.approx(sign_on.seconds + 2.2 + 1.6)
    assert woken.nuls == bytes(66), "2.2 s at 300 Bd"


def test_no_listening() -> None:
    assert attempts(Protocol.PUSH, listen=0.0) == ()


# -- what an answer means ----------------------------------------------------------------------------------------------


def test_a_meter_of_mode_e() -> None:
    (sign_on, _) = attempts(Protocol.IEC, bauds=(300,))
    finding = judged(sign_on, b"/?!\r\n" + LGZ)
    assert (finding.protocol, finding.mode, finding.offered_baud) == ("IEC 62056-21 mode E", "E", 4800)
    assert (finding.maker, finding.identification) == ("Landis+Gyr", LGZ.decode().strip())
    assert dict(finding.options)["mode"] == "C"
    assert any("HDLC" in note for note in finding.notes)


@pytest.mark.parametrize(
    ("identification", "mode", "offered"),
    [
        (b"/ISK5MT174-0001\r\n", "C", 9600),
        (b"/KAM MC\r\n", "A", None),
        (b"/ABCE12345\r\n", "B", 9600),
    ],
)
def test_modes_by_the_character(identification: bytes, mode: str, offered: int | None) -> None:
    finding = judged(attempts(Protocol.IEC, bauds=(300,))[0], identification)
    assert (finding.mode, finding.offered_baud) == (mode, offered)
    assert dict(finding.options)["mode"] == ("A" if mode == "A" else "C")
    assert "start_baud" not in dict(finding.options), "300 Bd is the usual rate"


def test_a_sign_on_at_another_rate_and_address_is_in_the_options() -> None:
    (sign_on, _) = plan(Scope(frozenset({Protocol.IEC}), bauds=(9600,)), iec_words("123"))
    assert sign_on.send == b"/?123!\r\n"
    options = dict(judged(sign_on, b"/ISK5MT174-0001\r\n").options)
    assert (options["start_baud"], options["address"]) == ("9600", '"123"')


@pytest.mark.parametrize("data", [b"", b"/?!\r\n", b"/ISK5MT174", b"\xff\x00garbage\r\n", LGZ[1:]])
def test_no_identification(data: bytes) -> None:
    sign_on = attempts(Protocol.IEC, bauds=(300,))[0]
    assert sign_on.judge(data, False) is None
    assert sign_on.judge(data, True) is None


def test_a_pushed_telegram_with_parity_in_bit_7() -> None:
    """7E1 looked at with 8N1, as it is while listening."""
    (listening,) = attempts(Protocol.PUSH, bauds=(9600,))
    telegram = b"/ESY5Q3DA1024 V3.04\r\n\r\n1-0:1.8.0*255(00000001.0*kWh)\r\n!\r\n"
    heard = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in telegram)
    finding = judged(listening, heard)
    assert (finding.mode, finding.maker, finding.offered_baud) == ("D", "EasyMeter", None)
    assert dict(finding.options)["mode"] == "D"
    assert "start_baud" not in dict(finding.options)
    assert listening.judge(heard[:-4], False) is None, "not before its end"
    assert listening.judge(heard[:-4], True) is not None, "but what began is told when nothing more comes"


def test_a_push_at_another_rate_says_so() -> None:
    (listening,) = attempts(Protocol.PUSH, bauds=(115200,))
    options = dict(judged(listening, b"/XMX5LGBBFG10\r\n\r\n!1234\r\n").options)
    assert options["start_baud"] == "115200"


def test_pushes_of_other_kinds() -> None:
    (listening,) = attempts(Protocol.PUSH, bauds=(2400,))
    hdlc = judged(listening, b"\0" + UA)
    assert (hdlc.protocol, hdlc.driver) == ("DLMS push over HDLC", "dlms")
    wrapper = judged(listening, bytes.fromhex("00010001001000080F00000001000203"))
    assert (wrapper.protocol, wrapper.driver) == ("DLMS push in the wrapper", "dlms")
    assert dict(hdlc.options) == dict(wrapper.options) == {"push": "{}"}
    sml = judged(listening, bytes.fromhex("1b1b1b1b01010101") + b"v")
    assert (sml.protocol, sml.driver) == ("SML", "")


def test_a_server_that_connects_and_one_that_does_not() -> None:
    (question,) = attempts(Protocol.DLMS, bauds=(9600,))
    for answer, note in ((UA, "connects"), (DM, "refuses")):
        finding = judged(question, question.send + answer)
        assert note in finding.notes[0]
        assert dict(finding.options)["transport"] == "hdlc"
    assert question.judge(question.send, True) is None, "its own echo"
    assert question.judge(UA[:-4], True) is None


def test_an_answer_to_another_client_is_not_ours() -> None:
    (question,) = attempts(Protocol.DLMS, bauds=(9600,))
    body = bytes.fromhex("A007230373")
    assert question.judge(b"\x7e" + body + fcs(body) + b"\x7e", True) is None


def test_the_address_of_the_server() -> None:
    (question,) = attempts(Protocol.DLMS, bauds=(9600,), server=Server(17))
    assert question.send[3] == 17 * 2 + 1
    assert judged(question, UA).address == "17"


def test_a_server_with_a_physical_device_is_asked_in_both_ways() -> None:
    short, wide = attempts(Protocol.DLMS, bauds=(9600,), server=Server(1, 17))
    assert [one.send[3:-5].hex() for one in (short, wide)] == ["0223", "00020023"]
    assert short.group != wide.group, "who has answered is not asked again"
    found = [dict(judged(one, UA).options) for one in (short, wide)]
    assert [(one["server"], one["physical"], one.get("address_bytes")) for one in found] == [
        ("1", "17", None),
        ("1", "17", "4"),
    ]


def test_a_meter_in_the_wrapper() -> None:
    asked, snrm = attempts(Protocol.DLMS, has_rate=False, server=Server(2))
    refused = judged(asked, bytes.fromhex("0001000200100003D80101"))
    assert (refused.protocol, refused.driver, refused.address) == ("DLMS in the wrapper", "dlms", "2")
    assert dict(refused.options) == {"transport": "wrapper", "client": "16", "server": "2", "authentication": "none"}
    assert asked.judge(asked.send, True) is None, "its own echo"
    assert asked.group != snrm.group, "SNRM would make it close the connection"
    proposal = snippet(refused, "cabin")
    assert "baud" not in proposal, "a rate means nothing there"


def test_a_unit() -> None:
    for one in attempts(Protocol.MODBUS, bauds=(9600,), units=[1, 2]):
        found = one.judge(bytes.fromhex("01030200E639CE"), False)
        assert (found is not None) == (one.send[0] == 1)
        if found is not None:
            assert (found.address, dict(found.options)["unit"], found.notes) == ("1", "1", ("register 0 is 230",))


@pytest.mark.parametrize(
    ("even", "fixed", "framing"),
    [
        (False, None, Framing.N81),
        (True, None, Framing.E71),
        (False, Framing.N81, Framing.N81),
        (False, Framing.E71, Framing.E71),
    ],
)
def test_a_telegram_tells_its_framing_by_bit_7(even: bool, fixed: Framing | None, framing: Framing) -> None:
    (attempt,) = plan(Scope(frozenset({Protocol.PUSH}), bauds=(115200,), fixed=fixed), iec_words())
    data = b"/SIM5PUSH-P1\r\n\r\n1-0:1.8.1(009410.227*kWh)\r\n!1234\r\n"
    if even:
        data = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)
    found = attempt.judge(data, False)
    assert found is not None
    assert (found.baud, found.framing) == (115200, framing)
    told = "framing: 8N1" in snippet(found, "p1")
    assert told == (framing is Framing.N81), "7E1 is what the driver sets by itself"
