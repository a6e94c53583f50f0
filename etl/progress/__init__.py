"""How far a run is: a bar with rate and time left, on a terminal and in a notebook.

In: the events of a run. Out: one line that is drawn anew several times a second, and goes when the run has ended.
"""
