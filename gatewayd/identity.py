"""Which meter answers: that it was exchanged for another one. Pure."""
