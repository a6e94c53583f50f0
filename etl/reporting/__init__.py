"""A report as JSON, HTML, Markdown, DataFrames and displays, and the way back from its folder.

In: `ReportData`. Out: files, frames and markup. No database.
"""
