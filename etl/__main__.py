"""The front door: `python -m etl`."""
