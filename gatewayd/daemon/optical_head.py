"""An optical head for the DLMS driver: sign on by IEC 62056-21, go on in HDLC (mode E).

Rules: here, because this is the one place that may know both drivers; they do not know each other.
"""

from drivers.iec62056_21.hand_over import enter_hdlc
from drivers.iec62056_21.wire.session import SessionSettings
from gatewayd.channel import Channel
from gatewayd.driver import EnterHdlc


def optical_head(meter: str, line: str) -> EnterHdlc:
    """How the driver of `meter` enters HDLC on `line`."""

    async def enter(channel: Channel, address: str, start_baud: int, max_baud: int) -> int:
        settings = SessionSettings(mode="E", address=address, start_baud=start_baud, max_baud=max_baud)
        return (await enter_hdlc(channel, settings, meter=meter, line=line)).baud

    return enter
