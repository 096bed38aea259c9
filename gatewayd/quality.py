"""What other systems write for our statuses and flags: pure tables, published as docs/mqtt/codes.md and codes.json.

Rules: a code stands here only where the reference notes of the project name it (sections 4 and 4.1); nothing is
completed by analogy, so a flag may have no code at all. Most pairings were never agreed with anybody: `inferred` says
so of each, and `recalled` marks a code that was written down from memory. No clock, no input or output.
"""

from dataclasses import dataclass
from enum import Enum

from gatewayd.model import Flag, RawStatus


class System(Enum):
    """Who uses a code. The values are published."""

    IEC_61968_9 = "iec61968-9"
    ESPI = "espi"
    IEEE_2030_5 = "ieee2030.5"
    MSCONS = "mscons"
    ENTSO_E = "entso-e"
    EBIX = "ebix"
    EGD = "egd-api"
    PND = "cez-pnd"
    AMR_PROFILE = "amr-profile-status"
    EDIS = "edis-status-word"
    COSEM_CLOCK = "cosem-clock-status"


@dataclass(frozen=True, slots=True)
class Description:
    """What the codes of a system are, and where we know them from."""

    title: str
    form: str
    source: str


@dataclass(frozen=True, slots=True)
class Code:
    """One code of one system that stands for a status or flag of ours."""

    system: System
    code: str
    meaning: str
    inferred: bool = True
    """The pairing is our reading; no document states it."""
    recalled: bool = False
    """The code itself was written down from memory."""


SYSTEMS: dict[System, Description] = {
    System.IEC_61968_9: Description(
        "IEC 61968-9 ReadingQuality",
        "system.category.index; systems: 1 end device, 2 data collection, 3 data management; "
        "several codes stand together",
        "com.elster.jupiter.cbo QualityCodeSystem, QualityCodeCategory, QualityCodeIndex",
    ),
    System.ESPI: Description("ESPI (Green Button) qualityOfReading", "number", "generated ESPI classes; eemeter"),
    System.IEEE_2030_5: Description(
        "IEEE 2030.5 qualityFlags",
        "bit of a 16-bit mask, bit 0 = 0x0001",
        "IEEE 2030.5 bindings in Rust, C, TypeScript",
    ),
    System.MSCONS: Description(
        "EDIFACT MSCONS", "QTY 6063, with STS where it is named", "BO4E Messwertstatus; mako-engine"
    ),
    System.ENTSO_E: Description("ENTSO-E code list 92 (quality)", "letter and two digits", "ENTSO-E code list"),
    System.EBIX: Description("ebIX quality of a quantity", "letter and two digits, or number", "Energinet"),
    System.EGD: Description(
        "EG.D OpenAPI status", "letter (C1) or IU and number (A, B)", "ha_egd_openapi, citing the manual of 2026-05"
    ),
    System.PND: Description("ČEZ PND status", "number in the export", "public parsers of PND exports"),
    System.AMR_PROFILE: Description(
        "IDIS/DSMR AMR profile status",
        "bit of the 8-bit 0-0:96.10.1",
        "gurux.fi node 24756; GXF AmrProfileStatusCodeFlag",
    ),
    System.EDIS: Description(
        "VDEW/EDIS status word", "bit of the status word of P.01", "LEM EM4T II manual, pages 22 and 23"
    ),
    System.COSEM_CLOCK: Description("COSEM clock status", "mask in the clock status byte", "Gurux ClockStatus"),
}

STATUS_CODES: dict[RawStatus, tuple[Code, ...]] = {
    RawStatus.TRUE: (
        Code(System.IEC_61968_9, "2.0.0", "data valid"),
        Code(System.IEC_61968_9, "3.0.1", "validated: after validation, editing and estimation only"),
        Code(System.ESPI, "14", "raw: not validated"),
        Code(System.ESPI, "17", "validated, later on"),
        Code(System.ESPI, "0", "valid, later on"),
        Code(System.ESPI, "19", "for billing data only"),
        Code(System.IEEE_2030_5, "bit 0", "valid"),
        Code(System.MSCONS, "220", "true value"),
        Code(System.ENTSO_E, "A04", "as provided", recalled=True),
        Code(System.EBIX, "E01", "as read"),
        Code(System.EGD, "W", "valid (type C1)"),
        Code(System.EGD, "IU012", "valid (types A and B)"),
        Code(System.PND, "32", "measured, in order"),
        Code(System.PND, "16", "measured, with a voltage failure: also flag power_down"),
    ),
    RawStatus.SUBSTITUTE: (
        Code(System.IEC_61968_9, "2.8.0", "estimated by the gateway"),
        Code(System.IEC_61968_9, "3.8.0", "estimated by the data management"),
        Code(System.IEC_61968_9, "3.7.0", "edited by hand: also flag manual"),
        Code(System.IEC_61968_9, "2.11.0", "derived, from the control meter"),
        Code(System.ESPI, "8", "from a comparable period"),
        Code(System.ESPI, "9", "interpolated"),
        Code(System.ESPI, "11", "from the control meter"),
        Code(System.ESPI, "7", "by hand: also flag manual"),
        Code(System.IEEE_2030_5, "bit 2", "from a comparable period"),
        Code(System.IEEE_2030_5, "bit 3", "interpolated"),
        Code(System.IEEE_2030_5, "bit 5", "from the control meter"),
        Code(System.IEEE_2030_5, "bit 1", "by hand: also flag manual"),
        Code(System.MSCONS, "67", "substitute value; STS Z32: Z92 interpolation, ZJ2 statistical"),
        Code(System.ENTSO_E, "A03", "estimated"),
        Code(System.EBIX, "56", "estimated"),
        Code(System.PND, "2", "valid estimate"),
    ),
    RawStatus.PROVISIONAL: (
        Code(System.IEC_61968_9, "2.8.0", "estimated by the gateway, together with category 10"),
        Code(System.IEC_61968_9, "2.10.0", "questionable, indeterminate, together with category 8"),
        Code(System.ESPI, "16", "other: there is no exact code; 12 (projected) only for a forecast"),
        Code(System.IEEE_2030_5, "bit 2", "estimated, together with bit 4"),
        Code(System.IEEE_2030_5, "bit 4", "questionable, together with bit 2"),
        Code(System.MSCONS, "Z18", "provisional value"),
        Code(System.ENTSO_E, "A03", "estimated"),
        Code(System.EGD, "G", "temporary"),
    ),
    RawStatus.DISTORTED: (
        Code(System.IEC_61968_9, "2.5.258", "suspect"),
        Code(System.IEC_61968_9, "1.1.x", "diagnostics of the meter; 1.1.9 see flag clock_invalid"),
        Code(System.ESPI, "10", "questionable"),
        Code(System.IEEE_2030_5, "bit 4", "questionable"),
        Code(System.MSCONS, "20", "not usable"),
        Code(System.ENTSO_E, "A05", "incomplete", recalled=True),
        Code(System.EGD, "any other", "not counted"),
        Code(System.PND, "text: neplatná data", "invalid data; its number is not known"),
        Code(System.AMR_PROFILE, "bit 0", "ERR: critical error"),
        Code(System.AMR_PROFILE, "bit 1", "CIV: clock invalid; also flag clock_invalid"),
        Code(System.AMR_PROFILE, "bit 2", "DNV: data not valid"),
        Code(System.EDIS, "bit 0", "fatal error"),
        Code(System.EDIS, "bit 1", "clock reserve exhausted"),
        Code(System.EDIS, "bit 2", "measured value disturbed, or period incomplete"),
    ),
    RawStatus.MISSING: (
        Code(System.IEC_61968_9, "2.5.259", "known missing read"),
        Code(System.IEC_61968_9, "1.4.4", "interval skipped by the meter"),
        Code(System.ESPI, "element omitted", "or 16 without a value"),
        Code(System.IEEE_2030_5, "element omitted", "no reading, no flags"),
        Code(System.MSCONS, "Z30", "missing value"),
        Code(System.ENTSO_E, "A02", "not available"),
        Code(System.EGD, "F", "missing"),
        Code(System.PND, "64", "status not defined"),
    ),
}

_POWER = "true and flagged; the interval may be partial"

FLAG_CODES: dict[Flag, tuple[Code, ...]] = {
    Flag.POWER_DOWN: (
        Code(System.PND, "16", "measured, with a voltage failure"),
        Code(System.AMR_PROFILE, "bit 7", "PDN: power down"),
        Code(System.EDIS, "bit 7", f"supply failure; {_POWER}"),
        Code(System.EDIS, "bit 6", f"supply recovery; {_POWER}"),
    ),
    Flag.RECOVERED: (Code(System.AMR_PROFILE, "bit 6", "RCV: recovered; DSMR and SMR only, reserved in IDIS"),),
    Flag.CLOCK_ADJUSTED: (
        Code(
            System.AMR_PROFILE, "bit 5", "CAD: clock adjusted; distorted when the interval is not of its nominal length"
        ),
        Code(System.EDIS, "bit 5", "clock set"),
    ),
    Flag.CLOCK_INVALID: (
        Code(System.IEC_61968_9, "1.1.9", "clock error of the meter"),
        Code(System.AMR_PROFILE, "bit 1", "CIV: clock invalid; the value is distorted"),
        Code(System.COSEM_CLOCK, "0x01", "invalid value; the time is distorted", inferred=False),
        Code(System.COSEM_CLOCK, "0x08", "invalid clock status; the time is distorted", inferred=False),
    ),
    Flag.DST: (
        Code(System.AMR_PROFILE, "bit 3", "DST: daylight saving"),
        Code(System.EDIS, "bit 3", "season change"),
        Code(System.COSEM_CLOCK, "0x80", "daylight saving active", inferred=False),
    ),
    Flag.PARTIAL_INTERVAL: (
        Code(System.IEC_61968_9, "1.4.2", "partial interval"),
        Code(System.EDIS, "bit 7", f"supply failure; {_POWER}"),
        Code(System.EDIS, "bit 6", f"supply recovery; {_POWER}"),
    ),
    Flag.RESET: (Code(System.EDIS, "bit 4", "reset; reserved in LEM", recalled=True),),
    Flag.CONFIG_CHANGED: (Code(System.EDIS, "bit 13", "log erased"), Code(System.EDIS, "bit 14", "profile erased")),
    Flag.MANUAL: (
        Code(System.IEC_61968_9, "3.7.0", "edited by hand"),
        Code(System.ESPI, "7", "by hand"),
        Code(System.IEEE_2030_5, "bit 1", "by hand"),
    ),
    Flag.TAMPER: (),
    Flag.OVERFLOW: (),
    Flag.LATE: (),
    Flag.DUPLICATE: (),
    Flag.CONFLICT: (),
    Flag.CONTROL_MISMATCH: (),
    Flag.RATIO_MISMATCH: (),
    Flag.SERIAL_MISMATCH: (),
    Flag.BCC_FAILED: (),
    Flag.CRC_FAILED: (),
    Flag.TRUNCATED: (),
    Flag.PARITY_ERROR: (),
    Flag.UNDECODABLE: (),
    Flag.SENTINEL: (),
    Flag.NO_VALUE: (),
    Flag.NOT_SENT: (),
    Flag.TIME_AMBIGUOUS: (),
    Flag.BACKWARD: (),
    Flag.GATEWAY_CLOCK: (),
    Flag.DISTURBED: (
        Code(System.AMR_PROFILE, "bit 2", "DNV: data not valid"),
        Code(System.EDIS, "bit 2", "measured value disturbed"),
    ),
    Flag.METER_ERROR: (
        Code(System.AMR_PROFILE, "bit 0", "ERR: critical error"),
        Code(System.EDIS, "bit 0", "fatal error"),
    ),
    Flag.STATUS_UNKNOWN: (),
    Flag.CLOCK_DEVIATION: (Code(System.IEC_61968_9, "1.1.9", "clock error of the meter"),),
    Flag.NOT_READ: (),
}
