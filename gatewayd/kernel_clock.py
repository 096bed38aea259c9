"""Whether the gateway's own clock is synchronised, as the kernel says (adjtimex)."""
