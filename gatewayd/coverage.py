"""Which intervals of a load profile are there, and what is to be asked for: pure, no clock, no I/O."""
