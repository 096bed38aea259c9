"""observability: where metrics may be listened for, and what is said of what may not be."""

import pytest

from gatewayd.config import Config, parse
from gatewayd.errors import ConfigError
from tests.gatewayd.config.doubles import DRIVERS, SINKS


def loaded(block: str) -> Config:
    text = f"gateway: {{id: gw-1}}\narchive: {{path: /tmp/none}}\n{block}\n"
    return parse(text, "f.yaml", DRIVERS, SINKS)


def refused(block: str) -> tuple[str, str]:
    """Key and message of the only finding."""
    with pytest.raises(ConfigError) as caught:
        loaded(block)
    (finding,) = caught.value.findings
    return finding.key, finding.message


@pytest.mark.parametrize("block", ["", "observability: {}", "observability: {listen: }"])
def test_nobody_listens_unless_it_is_said(block: str) -> None:
    assert loaded(block).observability.endpoint is None


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("127.0.0.1:9750", ("127.0.0.1", 9750)),
        ("127.9.9.9:1", ("127.9.9.9", 1)),
        ("localhost:65535", ("127.0.0.1", 65535)),
        ("'[::1]:9750'", ("::1", 9750)),
        ("'[0:0:0::1]:9750'", ("::1", 9750)),
    ],
)
def test_loopback_addresses(written: str, endpoint: tuple[str, int]) -> None:
    config = loaded(f"observability: {{listen: {written}}}")
    assert config.observability.endpoint == endpoint
    assert not [one for one in config.warnings if one.key.startswith("observability")]


@pytest.mark.parametrize("written", ["0.0.0.0:9750", "192.0.2.1:9750", "'[::]:9750'", "'[::ffff:192.0.2.1]:9750'"])
def test_what_others_reach_has_to_be_allowed_and_is_warned_of(written: str) -> None:
    key, message = refused(f"observability: {{listen: {written}}}")
    assert key == "observability.listen"
    assert "is not a loopback address" in message and "allow_remote: true" in message
    config = loaded(f"observability: {{listen: {written}, allow_remote: true}}")
    (warning,) = [one for one in config.warnings if one.key.startswith("observability")]
    assert (warning.key, warning.line) == ("observability.listen", 3)
    assert "without a password" in warning.message and "firewall" in warning.message


def test_a_permission_without_an_address_is_told_of() -> None:
    config = loaded("observability: {listen: 127.0.0.1:9750, allow_remote: true}")
    assert [one.key for one in config.warnings if "observability" in one.key] == ["observability.allow_remote"]


@pytest.mark.parametrize(
    "written",
    [
        *(
            "9750",
            "127.0.0.1",
            "':9750'",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:97500",
            "'::1:9750'",
            "'[127.0.0.1]:9'",
        ),
        *(
            "127.0.0.1:9750/metrics",
            "http://127.0.0.1:9750",
            "256.0.0.1:9750",
            "example.org:9750",
            "'[::1%lo]:1'",
            "a\u0665:1",
        ),
        "127.0.0.1:\u0669",
    ],
)
def test_what_is_no_endpoint(written: str) -> None:
    key, message = refused(f"observability: {{listen: {written}}}")
    assert key == "observability.listen"
    assert "an address of this machine and a port such as 127.0.0.1:9750" in message
