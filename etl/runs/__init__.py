"""The conductors: each run is one screen that calls the stages in their order.

In: settings and an observer. Out: a `Report`, in its folder too.
"""
