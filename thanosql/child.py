"""Runs a service in a process that ends with the one that started it, however that one ends.

`python -m thanosql.child PARENT catalog_service --port 8471` is `python -m catalog_service --port 8471`, where PARENT
is the number of the process that starts it.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG, from linux/prctl.h."""


def main() -> None:
    """Ties this process to its parent, and becomes the service."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the line above
            sys.exit(1)
    sys.argv[:3] = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
