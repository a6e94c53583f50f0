"""What the notebooks call beside the public functions: pictures, repaired rows, where reports are.

In: profiles, reports, frames. Out: pictures, reports, frames.
"""
