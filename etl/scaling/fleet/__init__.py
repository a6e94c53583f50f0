"""Many files into one target: a schema for each, or the same tables with a column that tells the files apart.

In: a glob or a file of paths, and the settings of a load. Out: a `FleetReport`; each file is a load of its own, and a
later run loads only what is missing or was changed.
"""
