"""Modems that may be in a call that nobody holds: left by a process that was killed, or not hung up for certain.

Rules: such a call costs money until it is ended, so that comes first, outside the call windows as well; what fails is
tried again after the pauses of a modem that does not work, and told of once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatewayd.channel.modem_options import BACK_OFF, CallRecord, CallResult
from gatewayd.errors import ChannelError
from gatewayd.station import Line

_FREEING = BACK_OFF[CallResult.LINE_FAILED]

log = logging.getLogger("gatewayd.call_worker")


@dataclass(frozen=True, slots=True)
class _Doubt:
    """How often ending the call has failed, and when to try that next."""

    failures: int
    at: datetime


class Doubts:
    """Of the modems of one worker; at the start of each of them."""

    def __init__(self, lines: Sequence[Line], started: datetime) -> None:
        self._doubts = {line.id: _Doubt(0, started) for line in lines}

    def failing(self, line: str) -> bool:
        """Whether ending a call that may be up has not worked yet."""
        doubt = self._doubts.get(line)
        return doubt is not None and doubt.failures > 0

    def note(self, line: Line, call: CallRecord) -> None:
        """A call is over, as far as is known."""
        if call.dialled and not call.hung_up:
            self._doubts[line.id] = _Doubt(0, call.ended_at)

    def suspect(self, line: Line, now: datetime) -> None:
        """Whoever had the modem has not said that he left it in no call."""
        self._doubts[line.id] = _Doubt(0, now)

    async def dispel(self, line: Line, now: datetime) -> None:
        """End a call that may still be up, where that is to be tried now."""
        doubt = self._doubts.get(line.id)
        if doubt is None or line.free is None or now < doubt.at:
            return
        try:
            await line.free()
        except Exception as error:  # a defect of ours must not stop the calls
            if not doubt.failures:
                log.warning(
                    "it is not known whether line %s is in a call that costs money; trying to end it: %s",
                    line.id,
                    error,
                    exc_info=None if isinstance(error, ChannelError) else error,
                )
            failures = doubt.failures + 1
            self._doubts[line.id] = _Doubt(failures, now + timedelta(seconds=_FREEING.after(failures) or 0))
        else:
            del self._doubts[line.id]
