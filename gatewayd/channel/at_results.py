"""What a line of a modem means: result codes in words and in numbers, RING, information.

Rules: a line that is no known result is OTHER and is never quoted: it could be the echo of the number or the PIN.
Sources: ITU-T V.250 5.7 and table 1, 3GPP 27.007 9, makers' manuals where named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gatewayd.dialling import Network


class Event(Enum):
    """What can happen to a dialogue. The values of results are their text in V.250 table 1 and makers' manuals."""

    OK = "OK"
    CONNECT = "CONNECT"
    RING = "RING"
    NO_CARRIER = "NO CARRIER"
    ERROR = "ERROR"
    NO_DIALTONE = "NO DIALTONE"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"
    DELAYED = "DELAYED"
    BLACKLISTED = "BLACKLISTED"
    INFORMATION = "information"
    OTHER = "another line"
    FLOOD = "noise without end"
    TIMER = "timer"
    HANG_UP = "hang up"
    CARRIER_GONE = "carrier gone"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the modem. `code` is that of +CME ERROR; `text` what follows CONNECT, or the information."""

    event: Event
    text: str = ""
    code: int | None = None
    numeric: bool = False


_WORDS = {
    event.value: event
    for event in (Event.OK, Event.RING, Event.NO_CARRIER, Event.ERROR, Event.NO_DIALTONE, Event.BUSY, Event.NO_ANSWER)
} | {"NO DIAL TONE": Event.NO_DIALTONE}
_CONNECT = re.compile(r"CONNECT(?:[ /:]+(.*))?")
_DELAYED = re.compile(r"(DELAYED|BLACKLISTED)\b.*")
_CME = re.compile(r"\+CM[ES] ERROR: *(.*)")
_INFORMATION = re.compile(r"\+(?:CPIN|CREG|CSQ):.*")
_NUMBERS = {
    "0": Event.OK,
    "1": Event.CONNECT,
    "2": Event.RING,
    "3": Event.NO_CARRIER,
    "4": Event.ERROR,
    "6": Event.NO_DIALTONE,
    "7": Event.BUSY,
    "8": Event.NO_ANSWER,
}
# Beyond V.250 numbers are the makers' own, and the same ones mean other things: Rockwell/Conexant (MultiTech, US
# Robotics 5631 manuals) for telephone modems, Siemens TC63 manual 2.5.1 and Nokia D211 8.1.4 for cellular ones.
_CONNECT_NUMBERS: Mapping[Network, Mapping[str, str]] = {
    Network.PSTN: {"5": "1200", "9": "600", "10": "2400", "11": "4800", "12": "9600", "13": "7200", "14": "12000"}
    | {"15": "14400", "16": "19200", "17": "38400", "18": "57600", "19": "115200"},
    Network.CELLULAR: {"5": "1200", "10": "2400", "11": "4800", "12": "9600", "47": "2400/RLP", "48": "4800/RLP"}
    | {"49": "9600/RLP", "50": "14400/RLP"},
}
_LISTED_NUMBERS = {"24": Event.DELAYED, "32": Event.BLACKLISTED}
UNPRINTABLE = bytes({*range(0x21), *range(0x7F, 0x100)})


def classify(line: bytes, network: Network, *, numbers: bool = True) -> Result:
    """What a line means, its line end not included. Noise at its ends is dropped; `numbers`: ATV0 is understood too."""
    text = line.strip(UNPRINTABLE).decode("latin-1").upper()
    if (event := _WORDS.get(text)) is not None:
        return Result(event)
    if numbers and text.isdecimal():
        if (event := _NUMBERS.get(text)) is not None:
            return Result(event, numeric=True)
        if (rate := _CONNECT_NUMBERS[network].get(text)) is not None:
            return Result(Event.CONNECT, rate, numeric=True)
        if network is Network.PSTN and (event := _LISTED_NUMBERS.get(text)) is not None:
            return Result(event, numeric=True)
    if (found := _CONNECT.fullmatch(text)) is not None:
        return Result(Event.CONNECT, _harmless(found[1] or "", 7))
    if (found := _DELAYED.fullmatch(text)) is not None:
        return Result(Event(found[1]))
    if (found := _CME.fullmatch(text)) is not None:
        code = found[1].strip()
        return Result(Event.ERROR, _harmless(code, 4), int(code) if re.fullmatch("[0-9]{1,3}", code) else None)
    if text.startswith("+CRING:"):
        return Result(Event.RING)
    if _INFORMATION.fullmatch(text):
        return Result(Event.INFORMATION, text)
    return Result(Event.OTHER)


def _harmless(text: str, digits: int) -> str:
    """Printable and short, without a run of so many digits: it could be a telephone number or a PIN."""
    return re.sub(rf"[0-9]{{{digits},}}", "****", "".join(c if " " <= c <= "~" else "?" for c in text))[:40].strip()
