"""The MQTT sink: archived readings to a broker (docs/mqtt/README.md)."""

from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink

__all__ = ["MqttOptions", "MqttSink"]
