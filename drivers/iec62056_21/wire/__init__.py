"""IEC 62056-21 as bytes and values: no I/O, no clock, no logging."""
