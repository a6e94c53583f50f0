"""Every value of both sides, compared by code that shares nothing with the conversion.

In: a `Source`, a `Session`, a `TablePlan`. Out: counts of matched, different, missing and extra rows, and the
differences themselves.
"""
