"""`python -m gatewayd` is `gatewayd`."""

from gatewayd.cli import main

main()
