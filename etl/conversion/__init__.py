"""Raw frame → frame of the target's types; a value that does not fit rejects its row with the reason.

In: a raw frame and column plans. Out: `Converted`: the frame, and the rejected rows with all their faults. No database.
"""
