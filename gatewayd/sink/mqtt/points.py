"""The derived values of metering points to a broker: a second connection of an MQTT sink, with its own outbox.

Rules: as for readings: at least once, in the order of each series, done when the PUBACK has come. The connection says
nothing of the gateway, which the first one does, and nothing is retained: a day that is computed again is no latest
value.
"""

from collections.abc import Callable
from datetime import datetime

from gatewayd.sink import Head
from gatewayd.sink.derived_payload import DerivedComposer, PointTopics
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink


class PointsSink(MqttSink):
    """One broker, for what is in the derived archive; `head` is the end of that."""

    beside = "-points"
    retains = False

    def __init__(
        self,
        id: str,
        options: MqttOptions,
        gateway: str,
        head: Head,
        clock: Callable[[], datetime],
        version: str,
    ) -> None:
        super().__init__(id, options, gateway, (), head, clock, version, quiet=True)
        self.topics = PointTopics(options.prefix, gateway)
        self.composer = DerivedComposer(gateway, head)
