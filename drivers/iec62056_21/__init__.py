"""IEC 62056-21: data readout over optical heads, current loops and serial lines. See README.md."""
