"""The files of a report folder that hold rows: private, complete, readable again.

In: rows with their reasons. Out: NDJSON files, and their counts.
"""
