"""Whether a line that fails is tried: pure, no clock, no I/O."""
