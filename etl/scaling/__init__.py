"""A load by several workers: parts, the loading schema that gathers them, and one moment of publication.

In: settings with a number of workers, or the address of a Dask scheduler. Out: a `Report`, as of any other load.
Dask is imported in `cluster` alone, and only when a load asks for workers.
"""
