"""The MQTT sink: archived readings to a broker (docs/mqtt/README.md).

What is in here is imported by its module: the options are known to all gateways, the client's library to those with
such a sink.
"""
