"""What an answer or a fault of a meter means: outcome for the archive, fault for the operator, flags for the readings.

Rules: pure. What is not as it should be is told, and archived all the same.
"""

from msgspec.structs import replace

from gatewayd.errors import (
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    PasswordUnclear,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.model import Answer, Meter, Outcome, RawStatus, Reading, Registers, Request
from gatewayd.status import Fault, judge


def outcome_of(fault: GatewayError) -> Outcome:
    """How an exchange ended that a fault has ended."""
    match fault:
        case ProtocolError() | PasswordUnclear():
            return Outcome.PROTOCOL_ERROR
        case MeterSilent():
            return Outcome.SILENT
        case MeterRefused():
            return Outcome.REFUSED
        case SessionDeadline():
            return Outcome.DEADLINE
        case ChannelError():
            return Outcome.LINE_FAILED
        case _:
            return Outcome.PROTOCOL_ERROR


def fault_of(meter: Meter, line: str, request: Request, answer: Answer) -> GatewayError | None:
    """What an operator has to know of an answer that is not as it should be; its readings are archived all the same.

    A profile may have nothing in the time that was asked for: the answer's detail says so, and it is no fault."""
    where = f"meter {meter.id} on line {line}"
    if answer.outcome is Outcome.REFUSED:
        return MeterRefused(f"{where}: {answer.detail}")
    if not answer.sound:
        return ProtocolError(f"{where}: {answer.detail}; its values are marked distorted")
    missing = [reading.code for reading in answer.readings if not reading.obis_raw]
    if missing:
        return MeterDiffers(f"{where} does not have {', '.join(missing)}")
    if not answer.readings and isinstance(request, Registers):
        return ProtocolError(f"{where} sent a readout without a single value")
    if _other_serial(meter, answer):
        return MeterDiffers(f"{where}: serial {meter.serial} is configured, the meter says {answer.serials[0]}")
    return None


def checked_serial(meter: Meter, answer: Answer) -> tuple[Reading, ...]:
    """The readings of an answer, flagged where the meter says that it is another one."""
    if not _other_serial(meter, answer):
        return answer.readings
    status, flags = judge((Fault.OTHER_SERIAL,))
    return tuple(
        replace(reading, status=RawStatus.worst((reading.status, status)), flags=reading.flags | flags)
        for reading in answer.readings
    )


def _other_serial(meter: Meter, answer: Answer) -> bool:
    """True when a serial number is configured and the meter names only others. Leading zeros do not count."""
    if not meter.serial or not answer.serials:
        return False
    return plain_serial(meter.serial) not in {plain_serial(serial) for serial in answer.serials}


def plain_serial(serial: str) -> str:
    """What two spellings of one serial number have in common."""
    return serial.strip().lstrip("0").casefold()
