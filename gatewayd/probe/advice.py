"""What to put into the configuration when something was found, and what to look at when nothing was.

Rules: pure; what is proposed loads as it stands, and has a comment where a person has to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gatewayd.channel import Framing
from gatewayd.probe.attempts import Attempt, Finding, Protocol

_BYTES_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt and what came back; `received` has the echo in it, if there was one."""

    attempt: Attempt
    received: bytes
    finding: Finding | None = None
    refused: bool = False
    """The port does not know this rate or framing, so that nothing was sent."""

    @property
    def foreign(self) -> bytes:
        """What came back and is not the echo of what was sent."""
        return bytes(byte & 0x7F for byte in self.received).replace(self.attempt.send, b"").strip(b"\0")

    @property
    def echoed(self) -> bool:
        return bool(self.attempt.send) and self.attempt.send in self.received


def snippet(finding: Finding, line: str, *, meter: str = "meter-1") -> str:
    """The entry of the meter for `meters:`, as YAML; only comments where gatewayd has no driver for it."""
    if not finding.driver:
        return f"# gatewayd has no driver for {finding.protocol}\n"
    if finding.driver == "modbus":
        return _modbus(finding, line)
    rows = []
    if finding.driver != "iec62056_21" and finding.rated:
        rows.append(f"# line {line}: baud: {finding.baud}, framing: {finding.framing.value}")
    elif finding.rated and finding.framing is not Framing.E71:  # what this driver sets by itself
        rows.append(f"# line {line}: framing: {finding.framing.value}")
    options = ", ".join(f"{name}: {value}" for name, value in finding.options)
    rows += [
        f"- id: {meter}",
        f"  driver: {finding.driver}",
        f"  line: {line}",
        "  metering_type: C              # A | B | C | AMM, as the contract says",
        *([f"  {finding.driver}: {{{options}}}"] if options else []),
        "  jobs: [{registers: all, every: 15m}]",
    ]
    return "\n".join(["meters:", *(f"  {row}" for row in rows)]) + "\n"


def _modbus(finding: Finding, line: str) -> str:
    """An entry needs the map of the device, and a single answer does not tell which it is."""
    rated = f"# line {line}: baud: {finding.baud}, framing: {finding.framing.value}\n" if finding.rated else ""
    return f"{rated}# gatewayd scan {line} --units {finding.address}    # finds its map and writes its entry\n"


def advice(tried: Sequence[Tried], tcp_line: str = "") -> tuple[str, ...]:
    """What may be wrong when nobody answered, the likeliest first. `tcp_line`: the name of one that has no rate."""
    found = []
    heard = [one for one in tried if one.foreign]
    echoed = any(one.echoed for one in tried)
    refused = [one for one in tried if one.refused]
    for one in heard[:3]:
        shown = one.foreign[:_BYTES_SHOWN].hex(" ").upper()
        more = " ..." if len(one.foreign) > _BYTES_SHOWN else ""
        found.append(
            f"at {one.attempt.baud} Bd {one.attempt.framing.value} came {len(one.foreign)} bytes that no protocol "
            f"explains ({shown}{more}): a wrong rate, a bad line, or a device of another kind; look with --trace"
        )
    if rates := ", ".join(dict.fromkeys(f"{one.attempt.baud} Bd {one.attempt.framing.value}" for one in refused)):
        found.append(f"this port refuses {rates}: not tried")
    if echoed:
        found.append("what was sent comes back: the way out and in works; the device does not answer")
    if not heard:
        protocols = {one.attempt.protocol for one in tried}
        if Protocol.IEC in protocols:
            found.append(
                "optical head: is it on the meter's window, cable down, and the window clean and not in the sun?"
            )
            found.append("battery meters sleep: press a button of the meter, then probe again")
            found.append("several meters on one line answer only to their address: try --address")
        if protocols & {Protocol.DLMS, Protocol.MODBUS}:
            found.append("bus: are A and B the right way round, is the device powered, is the far end terminated?")
        if Protocol.DLMS in protocols:
            found.append("DLMS over HDLC: meters that share a bus have a physical device as well: --address 1/17")
        if Protocol.MODBUS in protocols:
            other = f"Modbus TCP (gatewayd scan {tcp_line})" if tcp_line else "another rate (--baud)"
            found.append(f"Modbus: another unit (--units 1-247), or {other}")
        if not echoed:
            found.append(
                "is this the right device of the machine? an optical head returns an echo when paper lies on it"
            )
    return tuple(found)
