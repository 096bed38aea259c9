"""Registers that went back although nobody exchanged the meter: pure."""
