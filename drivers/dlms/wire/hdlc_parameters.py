"""What SNRM and UA negotiate: longest information field and window, each way (IEC 62056-46 6.4.4.4.3.2).

    81 80 | length of the group | 05 L max info transmit | 06 L max info receive
                                | 07 L window transmit   | 08 L window receive

Rules: each side names its own directions. What is not named is the default, and no information field at all is all
defaults. Numbers of one to four bytes are read, as meters write them in different lengths. More than the standard
allows is read as the most that it allows, since the lower of both sides holds anyway; less is an error.
"""

from dataclasses import dataclass

from gatewayd.errors import ProtocolError

FORMAT_IDENTIFIER = 0x81
GROUP_IDENTIFIER = 0x80

MAX_INFO_LEAST, MAX_INFO_DEFAULT, MAX_INFO_MOST = 32, 128, 2030
WINDOW_DEFAULT, WINDOW_MOST = 1, 7

_IDENTIFIERS = {5: "max_info_transmit", 6: "max_info_receive", 7: "window_transmit", 8: "window_receive"}
_MOST = {5: MAX_INFO_MOST, 6: MAX_INFO_MOST, 7: WINDOW_MOST, 8: WINDOW_MOST}
_SIZES = {5: 2, 6: 2, 7: 4, 8: 4}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The limits of one side: bytes of information in a frame, and frames before an answer is due."""

    max_info_transmit: int = MAX_INFO_DEFAULT
    max_info_receive: int = MAX_INFO_DEFAULT
    window_transmit: int = WINDOW_DEFAULT
    window_receive: int = WINDOW_DEFAULT

    def __post_init__(self) -> None:
        infos = self.max_info_transmit, self.max_info_receive
        if not all(MAX_INFO_LEAST <= info <= MAX_INFO_MOST for info in infos):
            raise ValueError(f"information fields of {infos}: expected {MAX_INFO_LEAST} to {MAX_INFO_MOST} bytes")
        windows = self.window_transmit, self.window_receive
        if not all(1 <= window <= WINDOW_MOST for window in windows):
            raise ValueError(f"windows of {windows}: expected 1 to {WINDOW_MOST}")

    @property
    def encoded(self) -> bytes:
        """The information field of SNRM or UA; empty where everything is the default."""
        if self == Parameters():
            return b""
        group = b"".join(
            bytes([identifier, _SIZES[identifier]]) + getattr(self, name).to_bytes(_SIZES[identifier], "big")
            for identifier, name in _IDENTIFIERS.items()
        )
        return bytes([FORMAT_IDENTIFIER, GROUP_IDENTIFIER, len(group)]) + group


def parse(information: bytes) -> Parameters:
    """The parameters in the information field of SNRM or UA. ProtocolError where they make no sense."""
    if not information:
        return Parameters()
    if len(information) < 3 or information[0] != FORMAT_IDENTIFIER or information[1] != GROUP_IDENTIFIER:
        raise ProtocolError("negotiates in an unknown format", information)
    if information[2] != len(information) - 3:
        raise ProtocolError("negotiates with a group of the wrong length", information)
    found: dict[str, int] = {}
    position = 3
    while position < len(information):
        size = information[position + 1] if position + 1 < len(information) else 0
        value = information[position + 2 : position + 2 + size]
        if not 1 <= size <= 4 or len(value) != size:
            raise ProtocolError("negotiates with a value of the wrong length", information)
        # A parameter that the standard does not name limits nothing that we do.
        name = _IDENTIFIERS.get(information[position])
        if name is not None:
            if name in found:
                raise ProtocolError("negotiates the same limit twice", information)
            found[name] = min(int.from_bytes(value, "big"), _MOST[information[position]])
        position += 2 + size
    try:
        return Parameters(**found)
    except ValueError as error:
        raise ProtocolError(f"negotiates {error}", information) from error


def agreed(proposed: Parameters, answered: Parameters) -> Parameters:
    """What holds for us: in each direction the lower of what we proposed and what the other side takes or sends."""
    return Parameters(
        max_info_transmit=min(proposed.max_info_transmit, answered.max_info_receive),
        max_info_receive=min(proposed.max_info_receive, answered.max_info_transmit),
        window_transmit=min(proposed.window_transmit, answered.window_receive),
        window_receive=min(proposed.window_receive, answered.window_transmit),
    )
