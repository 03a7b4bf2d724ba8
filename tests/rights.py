"""What root may do that others may not, taken from a child process: permissions hold for it then."""

from __future__ import annotations

import ctypes

_PR_CAPBSET_DROP = 24
_RIGHTS_OF_ROOT = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root pass over permissions."""


def without_rights_of_root() -> None:
    """For `preexec_fn`. The user stays the same, so the program can still read what it imports later.

    Where it is not root's, there is nothing to drop.
    """
    prctl = ctypes.CDLL(None).prctl
    for right in _RIGHTS_OF_ROOT:
        prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)
