"""What root may do that others may not, taken from a child process: permissions hold for it then."""

from __future__ import annotations

import ctypes

_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_RIGHTS_OF_ROOT = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root pass over permissions."""


def without_rights_of_root() -> None:
    """For `preexec_fn`. The user stays the same, so the program can still read what it imports later.

    Where it is not root's, there is nothing to drop.
    """
    prctl = ctypes.CDLL(None).prctl
    for right in _RIGHTS_OF_ROOT:
        prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)


def drop_rights_of_root() -> None:
    """The same for this process, from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    # The process itself; effective, permitted and inherited rights of the first 32, then of the rest.
    header, rights = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    for kind in range(3):
        rights[kind] &= ~sum(1 << right for right in _RIGHTS_OF_ROOT)
    assert libc.capset(header, rights) == 0
