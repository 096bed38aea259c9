"""Benchmarks: one module per question, each answering with a ratio between two things measured in the same run.

Rules: a module has `run() -> list[Result]`; both sides of a ratio run side by side in one process on one machine, so
that the bound holds on a slow computer as well. `./dev bench` runs them all, `./dev bench NAME` one.
"""
