"""What a line has to do and what comes next: pure, no clock, no I/O."""
