"""Undoing a run: what it wrote is found by the numbers that its rows bear, and taken back where nothing stands on it.

In: the record of a run, and a session with the target. Out: rows deleted and put back, and what was left with reasons.
"""
