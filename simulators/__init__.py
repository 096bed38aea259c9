"""Simulated meters and the demonstration's MQTT broker: `python -m simulators --help`.

Rules: nothing here imports the gateway or its drivers, so that a mistake in a codec cannot cancel itself out; a
simulator is a process of its own, which is ready when it has printed one line and ends cleanly on SIGTERM or SIGINT.
"""
