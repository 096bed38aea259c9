"""The status words of meters, and reasons of gaps, as tables of docs/status.md; written by scripts/status_table.py.

Rules: nothing is said here that the vendor profiles and the code do not say: a word is what its map says, the bits of
the COSEM clock are tried one by one.
"""

from collections.abc import Iterable, Iterator

from drivers.dlms.clock import clock_faults
from drivers.dlms.vendors import vendors as dlms_vendors
from drivers.dlms.wire.cosem_time import ClockRules, ClockStatus, DateTime, parse_date_time
from drivers.iec62056_21.vendors import vendors
from gatewayd import closing
from gatewayd.errors import ChannelError, MeterDiffers, MeterRefused, MeterSilent, ProtocolError, SessionDeadline
from gatewayd.legal_time import PRAGUE
from gatewayd.status import TABLE, Fault, judge
from gatewayd.status_word import StatusBits

_READ_BITS = """
## What meters say of intervals: status words
Each interval of a load profile and each entry of a log may stand under a status word. Its text is the first of `more`.
What a bit means is data of the vendor profile (`drivers/*/vendors/*.yaml`, with its sources); a bit that is set and has
no meaning there makes the values `distorted` with `status_unknown`. Several bits: the worst status, and all flags.
"""
_CLOCK = """
### COSEM clock status
The last octet of a date-time (DLMS). In a row it is about the row's time, else about the clock.

| bit | name | status | flag |
|---|---|---|---|
"""
_GAPS = """
## Intervals that never came
They are archived as `missing`, in an exchange whose request begins with `gap` and which has no bytes; the reason is the
first text of `more` ([acquisition.md](acquisition.md)). A value that comes later has `late`, and takes their place.

| reason | status | flags |
|---|---|---|
"""
_FAULTS = (
    MeterSilent(""),
    ChannelError(""),
    MeterRefused(""),
    SessionDeadline(""),
    MeterDiffers(""),
    ProtocolError(""),
)


def words() -> str:
    """All status words: those with the same map under one heading."""
    groups: dict[tuple[str, int, tuple[tuple[int, Fault | None], ...]], list[str]] = {}
    for protocol, name, word in _all():
        if word.meaning:
            groups.setdefault((protocol, word.bits, tuple(sorted(word.meaning.items()))), []).append(name)
    text = _READ_BITS
    for (protocol, bits, meaning), names in groups.items():
        profiles = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
        text += f"\n### {protocol}, {bits} bits: {profiles}\n| bit | meaning | status | flag |\n|---|---|---|---|\n"
        text += "".join(_bit(bit, bits, fault) for bit, fault in meaning)
    without = [f"`{vendor.name}`" for vendor in vendors().values() if not vendor.profile_status.meaning]
    return text + f"\nNo bit is known of the words of IEC 62056-21 of {', '.join(without)}.\n"


def clock_status() -> str:
    """The bits of the COSEM clock, each tried by itself."""
    text = _CLOCK
    for bit in ClockStatus:
        time = _at(bit)
        faults = clock_faults(time, time.instant(ClockRules(PRAGUE)))
        text += f"| 0x{bit:02X} | {str(bit.name).lower().replace('_', ' ')} | {_verdict(faults)} |\n"
    return text


def gaps() -> str:
    """Reasons of intervals that never came."""
    absent, dark = (Fault.INTERVAL_NOT_IN_METER,), (Fault.INTERVAL_NOT_IN_METER, Fault.POWER_FAILED)
    found = {closing.NOT_IN_METER: absent, closing.DARK: dark}
    for reason in (*map(closing.words, _FAULTS), closing.CLOCK_WRONG, closing.NOT_RUNNING, closing.NOT_ASKED):
        found[reason] = (Fault.METER_NOT_READ,)
    return _GAPS + "".join(f"| {reason} | {_verdict(faults)} |\n" for reason, faults in found.items())


def _all() -> Iterator[tuple[str, str, StatusBits]]:
    for vendor in vendors().values():
        yield "IEC 62056-21, load profiles and logs", vendor.name, vendor.profile_status
        yield "IEC 62056-21, load profiles and logs", vendor.name, vendor.log_status
        for table in vendor.tables:
            if table.status is not None:
                yield f"IEC 62056-21, {table.code}", vendor.name, table.status
    for other in dlms_vendors().values():
        yield "DLMS, AMR profile status (0-b:96.10.x)", other.name, other.status


def _bit(bit: int, bits: int, fault: Fault | None) -> str:
    place = f"0x{bit:0{bits // 4}X}"
    if fault is None:
        return f"| {place} | says nothing about the value | `true` | |\n"
    return f"| {place} | {TABLE[fault].meaning} | {_verdict((fault,))} |\n"


def _verdict(faults: Iterable[Fault]) -> str:
    status, flags = judge(tuple(faults))
    return f"`{status.text}` | {' '.join(f'`{text}`' for text in flags.texts)}"


def _at(status: ClockStatus) -> DateTime:
    """Noon of a day in summer (for the bit that says so) or in winter, with this status."""
    summer = status is ClockStatus.DAYLIGHT_SAVING
    octets = bytes((0x07, 0xEA, 7 if summer else 1, 15, 0xFF, 12, 0, 0, 0, 0x80, 0x00, status))
    return parse_date_time(octets)
