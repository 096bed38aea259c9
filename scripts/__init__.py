"""What `./dev check` runs beside the tools. Run from the tree (`python -m scripts.NAME`), never installed."""
