"""What a modem said, in words."""

import pytest

from gatewayd.channel.modem_options import PinUse, Registration
from gatewayd.cli.modem import _PIN, _REGISTRATION, signal_text


@pytest.mark.parametrize(
    ("dbm", "text"),
    [
        (None, ""),
        (-51, "-51 dBm, excellent"),
        (-73, "-73 dBm, excellent"),
        (-75, "-75 dBm, good"),
        (-93, "-93 dBm, fair"),
        (-101, "-101 dBm, weak: data calls may break"),
        (-103, "-103 dBm, too weak for data calls"),
    ],
)
def test_signal(dbm: int | None, text: str) -> None:
    assert signal_text(dbm) == text


def test_every_state_has_its_words() -> None:
    assert set(_REGISTRATION) == set(Registration)
    assert set(_PIN) == set(PinUse)
