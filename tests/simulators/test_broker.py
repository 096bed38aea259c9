"""The demonstration's broker talks MQTT 3.1.1 to foreign clients and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile

import pytest

from tests.simulators.reader import PATIENCE_S, simulate, wait_for

TOPIC = "demo/gw-1/meter"


@pytest.fixture
def clients() -> None:
    if "CI" not in os.environ:
        pytest.importorskip("iotcore")
        if shutil.which("mosquitto_pub") is None:
            pytest.skip("no mosquitto clients")


def client(tool: str, port: int, *arguments: str) -> list[str]:
    return [tool, "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv311", "-q", "1", "-t", TOPIC, *arguments]


@pytest.mark.usefixtures("clients")
def test_a_message_larger_than_20_kb_reaches_a_subscriber_and_is_retained() -> None:
    payload = b"0123456789abcdef" * 4096
    with simulate("--port", "0", kind="broker") as broker, tempfile.TemporaryFile() as message:
        assert broker.ready == f"mqtt 127.0.0.1:{broker.port}"
        message.write(payload)
        message.seek(0)
        subprocess.run(client("mosquitto_pub", broker.port, "-r", "-s"), stdin=message, timeout=PATIENCE_S, check=True)
        # Retained, so it does not matter which of the two clients was first.
        seen = subprocess.run(
            client("mosquitto_sub", broker.port, "-C", "1", "-N", "-W", "8"),
            capture_output=True,
            timeout=2 * PATIENCE_S,
            check=True,
        )
        assert seen.stdout == payload


@pytest.mark.usefixtures("clients")
def test_the_port_is_free_again_afterwards() -> None:
    def is_open(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with simulate("--port", "0", kind="broker") as broker:
        assert is_open(broker.port)
        assert broker.stop() == 0
        wait_for(lambda: not is_open(broker.port))
