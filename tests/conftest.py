"""For all tests in Python: Ctrl-C reaches the programs that they start, also when it was ignored where they were started."""

from __future__ import annotations

import signal

# As in the background of a script. A program that is started inherits that, but not a handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
