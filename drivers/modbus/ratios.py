"""The ratios of the transformers that a device has set, against those that are configured.

    ratio_cells(map)                        what has to be read for it, each session
    compared(map, given, configured)        -> Compared(faults, alarms, detail)

Rules: pure. A ratio of the device is never applied to anything: it is told, and where it differs from the configured
one (Meter.ratio_at) the readings are flagged and an alarm is raised. Where none is configured it is only told. A device
that does not multiply (ratio 1) and a ratio configured for secondary values go together: then gatewayd multiplies. Both
multiplying is flagged and an alarm as well. Alarms are stable texts (gatewayd/alarms.py).
"""

from dataclasses import dataclass
from decimal import Context, Decimal

from drivers.modbus.identity import DECIMAL_DIGITS, Given
from drivers.modbus.map_registers import Factor, Transformer
from drivers.modbus.maps import Map
from drivers.modbus.wire.values import Number, Undecodable, decode
from gatewayd.model import Ratio, ValueSide, transformation
from gatewayd.status import Fault

_EXACT = Context(prec=40)


@dataclass(frozen=True, slots=True)
class DeviceRatio:
    """A ratio as the device has it. `factor`: None where what it has is no ratio. `step`: how finely it can say it,
    0 where it says both sides."""

    text: str
    factor: Decimal | None
    digits: Context | None = None
    step: Decimal = Decimal(0)

    def is_(self, factor: Decimal) -> bool:
        """Whether it says this factor, as well as it can."""
        if self.factor is None:
            return False
        if self.digits is not None:
            return self.digits.plus(factor) == self.factor
        return abs(factor - self.factor) * 2 <= self.step


@dataclass(frozen=True, slots=True)
class Compared:
    """What comes of the comparison: faults of every reading of the session, alarms, and words for Answer.detail."""

    faults: tuple[Fault, ...] = ()
    alarms: tuple[str, ...] = ()
    detail: str = ""


def ratio_cells(found: Map) -> tuple[Factor, ...]:
    """What has to be read to know the ratios that the device has set."""
    return tuple(cell for one in (found.ct, found.vt) if one is not None for cell in one.cells)


def compared(found: Map, given: Given, configured: Ratio) -> Compared:
    """The device's ratios against the ratio that is in force on the day of reading."""
    alarms: list[str] = []
    details: list[str] = []
    differs = False
    some = bool(configured.ct or configured.vt)
    primary = any(register.side is ValueSide.PRIMARY for register in found.registers)
    for name, transformer, text in (("CT", found.ct, configured.ct), ("VT", found.vt, configured.vt)):
        device = _told(transformer, given) if transformer is not None else None
        secondary = configured.value_side is ValueSide.SECONDARY
        if transformer is None and text and secondary and primary:
            details.append(
                f"gatewayd multiplies by the {name} ratio {text}: right only where that of the meter, which its map "
                "does not know, is set to 1"
            )
        if device is None:
            continue
        wanted = transformation(text) if text else Decimal(1)
        if device.factor is None:
            details.append(f"the {name} ratio that is set in the meter is none: {device.text}")
        elif not some:
            if device.factor != 1:
                details.append(f"the {name} ratio that is set in the meter is {device.text}, none is configured")
        elif not (device.is_(wanted) or (secondary and device.factor == 1)):
            differs = True
            said = f"the {name} ratio that is set in the meter is {device.text}, configured is {text or '1'}"
            details.append(said)
            alarms.append(f"{said}: correct whichever is wrong")
        elif secondary and primary and device.factor != 1:
            differs = True
            alarms.append(
                f"the meter multiplies by its {name} ratio {device.text}, and so does gatewayd: "
                "configure `value_side: primary`"
            )
    return Compared((Fault.OTHER_RATIO,) if differs else (), tuple(alarms), "; ".join(details))


def _told(transformer: Transformer, given: Given) -> DeviceRatio | None:
    """What the device has set; None where it does not tell."""
    if transformer.ratio is not None:
        ratio = _number(transformer.ratio, given)
        if ratio is None:
            return None
        return DeviceRatio(
            _plain(ratio),
            ratio if ratio > 0 else None,
            DECIMAL_DIGITS.get(transformer.ratio.type),
            transformer.ratio.scale,
        )
    above, below = (_side(side, given) for side in (transformer.numerator, transformer.denominator))
    if above is None or below is None:
        return None
    text = f"{_plain(above)}/{_plain(below)}"
    return DeviceRatio(text, above / below if above > 0 and below > 0 else None)


def _side(side: Factor | Decimal | None, given: Given) -> Decimal | None:
    return _number(side, given) if isinstance(side, Factor) else side


def _number(cell: Factor, given: Given) -> Decimal | None:
    octets = given(cell)
    if octets is None:
        return None
    try:
        value = decode(octets, cell.form)
    except Undecodable:
        return None
    if not isinstance(value, Number):
        return None
    rounding = DECIMAL_DIGITS.get(cell.type)
    exact = value.value if rounding is None else rounding.plus(value.value)
    return _EXACT.multiply(exact, cell.scale)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
