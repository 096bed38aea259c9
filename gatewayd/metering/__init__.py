"""The metering rules above the raw archive: what values mean, and how the one follows from the other.

Rules: pure functions over values, but for the engine that calls them. A raw reading is never touched; what is computed
is a second, versioned layer, each value of which says what it was made of.
"""
