"""When the daily jobs were done last, over restarts."""
