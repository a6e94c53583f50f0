"""Great Expectations over batches of converted rows, in a process of its own.

In: suites, and frames. Out: accepted rows, rejected rows with reasons, and counts for each expectation.
"""
