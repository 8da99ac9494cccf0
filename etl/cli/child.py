"""How does one of several imports end, when the process that started it is gone?

As a SIGTERM ends it: in good order, to be gone on with. ``python -m etl.cli.child PARENT …`` is
``square-etl …`` for as long as process PARENT lives. Linux tells the death of a parent; elsewhere
the import goes on to its end, and its lock tells whoever begins it anew.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from etl.cli import main
from etl.cli.failures import EXIT_INCOMPLETE

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before anybody could tell.
        sys.exit(EXIT_INCOMPLETE)


if __name__ == "__main__":
    # Until the import heeds it, it ends as by SIGTERM, without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _end_with(int(sys.argv.pop(1)))
    main(prog_name="square-etl")
