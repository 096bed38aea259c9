"""The PostgreSQL and TimescaleDB sink: archived readings into one wide table, each exactly once.

Rules: pg8000 is an optional extra, and only `session` and `faults` import it: `options`, `rows` and `sink` can be
imported without. Everything that waits for the database runs in a thread.
"""
