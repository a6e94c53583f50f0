"""A report object as pages and as DataFrames: rendering only."""
