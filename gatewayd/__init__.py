"""gatewayd reads meters, archives what they sent, and hands it on. It knows no protocol; the drivers do."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("gatewayd")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
