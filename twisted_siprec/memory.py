"""
The memory of a process that runs for months.
"""

from __future__ import annotations

import gc


def set_program_apart() -> None:
    """
    Have collections of garbage pass over what is there now: modules, classes, the
    configuration. It stays for good, and to go through all of it took a tenth of a second
    or more, in which no call was answered and no audio sent. Call it once, when the
    program has been loaded.
    """
    gc.collect()
    gc.freeze()
