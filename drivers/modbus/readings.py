"""From the octets of a register to a reading: number or text, scale, unit, and what is wrong with it.

Rules: pure. `raw` are the octets as sent, in the device's own order; `raw_text` is the number without its scale, and
the power of ten stands beside it. A scale that is no power of ten has the scaled number as text and the device's own
number in `more`. What is no value has no text, so that nobody takes it for one.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Context, Decimal

from drivers.modbus.image import Snapshot
from drivers.modbus.map_registers import Cell, Register
from drivers.modbus.wire.values import Number, Text, Type, Undecodable, decode
from gatewayd.model import Kind, MeterObject, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

_EXACT = Context(prec=1200)
"""The longest number, an f64, has fewer digits than that together with any scale that a map has."""
_EXPONENTS = range(-10, 11)
"""What a scale factor may be (SunSpec Device Information Model Specification, sunssf)."""
_REGISTER, _DATA = 3, 1
"""Interface classes of COSEM (IEC 62056-6-2) that are the same as a number of a map with its unit, and as a text."""


def reading_of(meter: str, register: Register, came: Snapshot, others: tuple[Fault, ...] = ()) -> Reading:
    """The reading of a register that came. `others`: faults that all readings of the session have."""
    raw, *exponent = came.octets
    text, scaler, more, faults = _value(register, raw, exponent)
    status, flags = judge((*faults, *others))
    return Reading(
        meter=meter,
        obis=register.code,
        obis_raw=str(register.code),
        kind=register.kind_of_reading,
        at=came.at,
        raw=raw,
        raw_text=text,
        unit=register.unit,
        scaler=scaler,
        status=status,
        flags=flags,
        more=more,
    )


def missing(meter: str, obis: Obis, at: datetime) -> Reading:
    """A register that was asked for and that the device does not have."""
    status, flags = judge((Fault.NOT_IN_READOUT,))
    return Reading(
        meter=meter,
        obis=obis,
        obis_raw="",
        kind=Kind.REGISTER,
        at=at,
        raw=b"",
        raw_text="",
        status=status,
        flags=flags,
    )


def object_of(register: Register) -> MeterObject:
    """A register of the map as the list of a scan has it."""
    is_text = register.type in (Type.STRING, Type.BITS)
    power = power_of_ten(register.scale)
    return MeterObject(
        class_id=_DATA if is_text else _REGISTER,
        version=0,
        obis=register.code,
        meaning=register.phase,
        attributes=((2, "read"),),
        unit=register.unit,
        scaler=power or 0,
    )


def power_of_ten(scale: Decimal) -> int | None:
    """The exponent of a scale that is a power of ten, None where it is none."""
    _, digits, exponent = scale.normalize(_EXACT).as_tuple()
    return int(exponent) if digits == (1,) else None


_Value = tuple[str, int, tuple[str, ...], tuple[Fault, ...]]
"""Text, scaler, further values, faults."""


def _value(register: Register, raw: bytes, exponent: Iterable[bytes]) -> _Value:
    try:
        value = decode(raw, register.form)
    except Undecodable:
        return "", 0, (), (Fault.NOT_DECODABLE,)
    match value:
        case None:
            return "", 0, (), (Fault.SENTINEL,)
        case Text(""):
            return "", 0, (), (Fault.EMPTY,)
        case Text(text):
            # Bits are no number, though they look like one.
            return f"0b{text}" if register.type is Type.BITS else text, 0, (), ()
        case Number(number):
            if register.scale_register is None:
                return _scaled(number, register.scale)
            for octets in exponent:
                return _raised(number, register.scale_register, octets)
            raise AssertionError("a register came without its exponent")  # Image.register has both


def _scaled(number: Decimal, scale: Decimal) -> _Value:
    power = power_of_ten(scale)
    if power is not None:
        return format(number, "f"), power, (), ()
    return format(_EXACT.multiply(number, scale), "f"), 0, (format(number, "f"),), ()


def _raised(number: Decimal, cell: Cell, octets: bytes) -> _Value:
    """With the exponent that the device keeps; without a right one nobody knows what the number means."""
    try:
        exponent = decode(octets, cell.form)
    except Undecodable:
        exponent = None
    if isinstance(exponent, Number) and exponent.value in _EXPONENTS:
        return format(number, "f"), int(exponent.value), (), ()
    return "", 0, (format(number, "f"),), (Fault.NOT_DECODABLE,)
