"""Faults of process, server and network, and what is left behind."""
