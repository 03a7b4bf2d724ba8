"""What root may do that others may not, taken from a process: permissions hold for it then.

`python rights.py status` is `harvester status` without it.
"""

from __future__ import annotations

import ctypes

from harvester.cli.program import main

_CAPABILITY_VERSION_3 = 0x20080522
_RIGHTS_OF_ROOT = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root pass over permissions."""


def drop_rights_of_root() -> None:
    """From this process, from now on. The user stays the same. Where it is not root's, there is nothing to drop."""
    libc = ctypes.CDLL(None, use_errno=True)
    # The process itself; effective, permitted and inherited rights of the first 32, then of the rest.
    header, rights = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    for kind in range(3):
        rights[kind] &= ~sum(1 << right for right in _RIGHTS_OF_ROOT)
    assert libc.capset(header, rights) == 0


if __name__ == "__main__":
    drop_rights_of_root()
    main(prog_name="harvester")
