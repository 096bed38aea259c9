"""pymodbus as the referee: it takes our requests for what they are, and we its answers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from drivers.modbus.wire import rtu, tcp
from drivers.modbus.wire.pdu import (
    Bits,
    Function,
    Identification,
    Identify,
    Read,
    Refused,
    Reply,
    ReportServerId,
    Request,
    ServerId,
    Words,
)
from drivers.modbus.wire.rtu import RtuReader
from drivers.modbus.wire.tcp import MbapReader
from drivers.modbus.wire.values import Form, Number, Order, Type, decode
from tests.drivers.modbus.rtu_bytes import examples

SERVER, CLIENT = DecodePDU(is_server=True), DecodePDU(is_server=False)
UNITS = st.integers(1, 247)
READS = st.builds(
    Read, st.sampled_from([Function(number) for number in (1, 2, 3, 4)]), st.integers(0, 60000), st.integers(1, 125)
)
REGISTERS = {3: ReadHoldingRegistersResponse, 4: ReadInputRegistersResponse}
COILS = {1: ReadCoilsResponse, 2: ReadDiscreteInputsResponse}


def understood(framer: FramerBase, data: bytes, unit: int, transaction: int = 0) -> Any:  # the referee's own classes
    used, pdu = framer.handleFrame(data, unit, transaction)
    assert used == len(data)
    assert pdu is not None
    return pdu


@examples(100)
@given(READS, UNITS, st.integers(1, 65535))
def test_it_reads_our_requests(request_: Read, unit: int, transaction: int) -> None:
    for pdu in (
        understood(FramerRTU(SERVER), rtu.frame(unit, request_.encoded), unit),
        understood(FramerSocket(SERVER), tcp.frame(transaction, unit, request_.encoded), unit, transaction),
    ):
        assert (pdu.function_code, pdu.address, pdu.count) == (request_.function, request_.address, request_.count)
        assert pdu.dev_id == unit


def test_it_reads_our_other_requests() -> None:
    pdu = understood(FramerRTU(SERVER), rtu.frame(9, Identify(2, 5).encoded), 9)
    assert (pdu.function_code, pdu.sub_function_code, pdu.read_code, pdu.object_id) == (43, 14, 2, 5)
    assert understood(FramerRTU(SERVER), rtu.frame(9, ReportServerId().encoded), 9).function_code == 17


def heard(request: Request, answer: Callable[[], Any], unit: int = 9, transaction: int = 77) -> Reply:
    """Its answer through both of its framers, by both of our readers. An answer of its own counts while it encodes,
    hence a new one for each."""

    def built(framer: FramerBase) -> bytes:
        pdu = answer()
        pdu.dev_id, pdu.transaction_id = unit, transaction
        return framer.buildFrame(pdu)

    over_rtu = RtuReader(unit, request).feed(built(FramerRTU(CLIENT)))
    over_tcp = MbapReader(transaction, unit, request).feed(built(FramerSocket(CLIENT)))
    assert over_rtu == over_tcp
    assert over_rtu is not None
    return over_rtu


@examples(100)
@given(st.sampled_from([3, 4]), st.lists(st.integers(0, 65535), min_size=1, max_size=125), UNITS)
def test_we_read_its_registers(function: int, registers: list[int], unit: int) -> None:
    request = Read(Function(function), 7, len(registers))
    reply = heard(request, lambda: REGISTERS[function](registers=registers), unit)
    assert reply == Words(b"".join(register.to_bytes(2, "big") for register in registers))


@examples(100)
@given(st.sampled_from([1, 2]), st.lists(st.booleans(), min_size=1, max_size=100), UNITS)
def test_we_read_its_bits(function: int, bits: list[bool], unit: int) -> None:
    reply = heard(Read(Function(function), 7, len(bits)), lambda: COILS[function](bits=bits), unit)
    assert isinstance(reply, Bits)
    assert [reply[index] for index in range(len(bits))] == bits


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
def test_we_read_its_exceptions(code: int) -> None:
    request = Read(Function.READ_HOLDING_REGISTERS, 7, 1)
    assert heard(request, lambda: ExceptionResponse(3, code)) == Refused(code)


def test_we_read_its_identification() -> None:
    objects = {0: b"Maker", 1: b"Code", 2: b"V1.2"}
    reply = heard(Identify(1), lambda: ReadDeviceInformationResponse(1, dict(objects)))
    assert isinstance(reply, Identification)
    assert (reply.objects, reply.more) == (objects, None)


def test_we_read_its_identification_in_parts() -> None:
    objects = {number: bytes((65 + number,)) * 100 for number in range(5)}
    asked: Identify | None = Identify(2)
    had: dict[int, bytes] = {}
    parts = 0
    while asked is not None:
        rest = {number: content for number, content in objects.items() if number >= asked.object_id}
        reply = heard(asked, partial(ReadDeviceInformationResponse, 2, rest))
        assert isinstance(reply, Identification)
        had |= reply.objects
        asked = asked.following(reply)
        parts += 1
    assert had == objects
    assert parts == 3


def test_we_read_its_server_id() -> None:
    reply = heard(ReportServerId(), lambda: ReportDeviceIdResponse(b"Pymodbus", True))
    assert reply == ServerId(b"Pymodbus\xff")


TYPES = {
    Type.U16: ModbusClientMixin.DATATYPE.UINT16,
    Type.I16: ModbusClientMixin.DATATYPE.INT16,
    Type.U32: ModbusClientMixin.DATATYPE.UINT32,
    Type.I32: ModbusClientMixin.DATATYPE.INT32,
    Type.U64: ModbusClientMixin.DATATYPE.UINT64,
    Type.I64: ModbusClientMixin.DATATYPE.INT64,
    Type.F32: ModbusClientMixin.DATATYPE.FLOAT32,
    Type.F64: ModbusClientMixin.DATATYPE.FLOAT64,
}


@examples(300)
@given(
    st.sampled_from(sorted(TYPES, key=lambda one: one.value)), st.sampled_from(Order), st.binary(min_size=8, max_size=8)
)
def test_it_decodes_what_we_decode(type_: Type, word_order: Order, content: bytes) -> None:
    form = Form(type_, word_order)
    octets = content[: 2 * form.words]
    registers = [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)]
    theirs = cast("int | float", ModbusClientMixin.convert_from_registers(registers, TYPES[type_], word_order.value))
    ours = decode(octets, form)
    if ours is None:
        assert not isfinite(theirs)
    else:
        assert ours == Number(Decimal(theirs))
