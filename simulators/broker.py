"""The demonstration's MQTT broker: rumqttd as packed by iotcore, on the loopback interface only.

Rules: iotcore is imported here alone, and only when a broker is wanted; it runs in a child process that ends with this
one; a broker that dies by itself is an error, never silence.
"""

from __future__ import annotations

import signal
import socket

import click

from simulators.process import ENDING, announce, end_on_signals

HOST = "127.0.0.1"
LARGEST_PAYLOAD = 4 * 1024 * 1024  # iotcore's own limit of 20 kB is less than one batch of readings
CHECK_S = 0.5


def serve(port: int) -> None:
    """Run the broker until a signal comes; `port` 0 takes a free one."""
    try:
        from iotcore import Broker
    except ImportError as error:
        raise click.ClickException("the broker needs the package iotcore: pip install iotcore") from error
    end_on_signals()
    broker = Broker(port=port or _free_port(), listen=HOST, max_payload_size=LARGEST_PAYLOAD)
    try:
        broker.start()
        # Blocked only now: a child inherits the mask and has to stay open to SIGTERM.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        announce(f"mqtt {HOST}:{broker.port}")
        while signal.sigtimedwait(ENDING, CHECK_S) is None:
            if not broker.is_running:
                raise click.ClickException("the broker ended by itself")
    except (OSError, RuntimeError) as error:
        raise click.ClickException(f"no broker on {HOST}:{broker.port}: {error}") from error
    finally:
        broker.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
