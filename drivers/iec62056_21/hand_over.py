"""Entering HDLC through the optical head's sign-on (mode E), for whoever then speaks HDLC over the same channel.

Rules: behind it the channel stands at 8N1 and at the agreed rate, and nothing of IEC 62056-21 is left to say. The
composition root hands this in to the DLMS driver; drivers do not import each other.
"""

from drivers.iec62056_21.conversation import Conversation
from drivers.iec62056_21.wire.hand_over import HandOverSession
from drivers.iec62056_21.wire.session import HandedOver, SessionSettings
from gatewayd.channel import Channel
from gatewayd.errors import GatewayError
from gatewayd.naming import named


async def enter_hdlc(channel: Channel, settings: SessionSettings, *, meter: str, line: str) -> HandedOver:
    """Sign on in mode E. Raises MeterSilent, MeterDiffers, ProtocolError (with the advice what to do) or ChannelError;
    then the meter has been told to stop, and the line is at its first rate."""
    session = HandOverSession(settings)
    try:
        async with Conversation(channel, session) as conversation:
            event = await conversation.until_event(session.start(conversation.now))
    except GatewayError as error:
        raise named(error, meter, line) from error
    assert isinstance(event, HandedOver)  # the only event of this session
    return event
