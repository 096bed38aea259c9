"""What sessions need to know of a meter: its options, then its line, then its vendor profile."""

from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.vendors import AUTO, WakeUp, choose
from drivers.iec62056_21.wire.framing import SIGN_ON_BAUD, Identification
from drivers.iec62056_21.wire.session import SessionSettings

_MODE_D_BAUD = 9600
_FALLBACK_AFTER = SessionSettings().fallback_after


def settings_of(options: Iec62056_21Options, line_baud: int | None) -> SessionSettings:
    """What sessions need: the options, then the line, then the vendor profile; of `auto` what is known before it is
    chosen."""
    vendor = choose(options.vendor, "")  # generic in place of auto
    wake_up = vendor.wake_up if options.wake_up == "auto" else None
    if options.wake_up == "yes":
        wake_up = vendor.wake_up or WakeUp()
    return SessionSettings(
        mode=options.mode,
        address=options.address,
        start_baud=options.start_baud
        or line_baud
        or vendor.start_baud
        or (_MODE_D_BAUD if options.mode == "D" else SIGN_ON_BAUD),
        max_baud=options.max_baud or vendor.max_baud,
        max_baud_of=None if options.max_baud or options.vendor != AUTO else _highest_of,
        baud_after_sign_on=options.baud_after_sign_on,
        attempts=options.attempts,
        response_timeout=options.response_timeout_s,
        # A line with a delay of its own delays the answer to the acknowledgement as well.
        fallback_after=max(_FALLBACK_AFTER, options.response_timeout_s - 0.5),
        character_timeout=options.character_timeout_s,
        push_timeout=options.push_timeout_s,
        wake_up=float(wake_up.seconds) if wake_up else 0.0,
        wake_up_pause=float(wake_up.pause_s) if wake_up else 0.0,
    )


def _highest_of(identification: Identification) -> int:
    return choose(AUTO, str(identification)).max_baud
