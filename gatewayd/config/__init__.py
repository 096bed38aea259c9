"""The configuration: YAML becomes frozen objects, or findings that name file, line, key and what was expected.

Rules: knows no protocol; drivers' and sinks' option classes are handed in. A value is the text that stands in the file
until the definition gives it a type. Secrets are references, and no message shows one. Only commands that need a
configuration import this package.

    text -> composer, syntax -> nodes -> conversion -> definition -> settings
    on the way: guide and schema say what belongs where; messages, wording and checks say what is wrong
"""

from gatewayd.config.lines import (
    Line,
    ListeningLine,
    ModemLine,
    Rfc2217Line,
    SerialLine,
    TcpLine,
    TcpListenLine,
    UdpListenLine,
)
from gatewayd.config.loading import load, parse
from gatewayd.config.manual import ManualSettings
from gatewayd.config.observing import ObservabilitySettings
from gatewayd.config.schema import json_schema
from gatewayd.config.settings import (
    AcquisitionSettings,
    ArchiveSettings,
    Config,
    ControlSettings,
    GatewaySettings,
    Job,
    MeterSettings,
    PartSettings,
    SinkSettings,
)

__all__ = [
    "AcquisitionSettings",
    "ArchiveSettings",
    "Config",
    "ControlSettings",
    "GatewaySettings",
    "Job",
    "Line",
    "ListeningLine",
    "ManualSettings",
    "MeterSettings",
    "ModemLine",
    "ObservabilitySettings",
    "PartSettings",
    "Rfc2217Line",
    "SerialLine",
    "SinkSettings",
    "TcpLine",
    "TcpListenLine",
    "UdpListenLine",
    "json_schema",
    "load",
    "parse",
]
