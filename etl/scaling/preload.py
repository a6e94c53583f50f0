"""What our own worker processes do first: leave Ctrl-C, which a terminal sends to all processes, to the coordinator."""

import signal

from etl.scaling import work  # noqa: F401 - the libraries are there before the first part comes

signal.signal(signal.SIGINT, signal.SIG_IGN)
