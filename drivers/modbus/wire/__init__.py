"""Modbus as bytes and values: no I/O, no clock, no logging."""
