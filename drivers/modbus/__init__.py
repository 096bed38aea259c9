"""Modbus over serial lines and TCP. See README.md."""
