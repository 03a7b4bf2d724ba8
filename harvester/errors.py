"""Every error that harvester raises on purpose, in one tree.

    HarvesterError                 exit  meaning
    ├── ConfigError                  3   settings that cannot work
    │   ├── CredentialsError         3   a key or an account that was refused
    │   └── DestinationRefused       3   a destination that harvester did not write
    ├── LedgerUnusable               3   foreign, read-only, older or newer ledger file
    ├── OutsideError                 4   something outside failed for now: run it again
    │   ├── ApiUnavailable           4
    │   ├── SourceUnavailable        4
    │   ├── StorageUnavailable       4   the export's destination
    │   │   └── Overtaken            4   another export was published there first
    │   ├── LedgerUnavailable        4   locked for too long, disk full
    │   └── ClusterUnavailable       4   Dask's scheduler or its workers
    └── InconsistentLedger           5   the ledger is not consistent
        ├── LedgerDamaged            5
        └── ExportIncomplete         5

An error says three things: what happened, in what state the data is, what to do next. `cli/program.py` prints it and
exits with its code; `cli/shared/unexpected_errors.py` turns those of libraries into one of these.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import ClassVar, Self

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Error numbers of an OSError that say that the disk is full."""


class HarvesterError(Exception):
    """The root. The process ends with `exit_code`; `worth_retrying` says whether a retry may succeed."""

    exit_code: ClassVar[int] = 1
    worth_retrying: ClassVar[bool] = False

    def __init__(self, what: str, *, state: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.state = state
        self.next_step = next_step

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.state, self.next_step) if line)


class ConfigError(HarvesterError):
    """Settings that cannot work."""

    exit_code = 3


class CredentialsError(ConfigError):
    """Credentials that are missing, unknown or not permitted."""


class DestinationRefused(ConfigError):
    """A destination that harvester did not write, or that no command may replace."""


class LedgerUnusable(HarvesterError):
    """A ledger that exists but that this program must not work on."""

    exit_code = 3


class OutsideError(HarvesterError):
    """Something outside harvester failed for now: try again later."""

    exit_code = 4
    worth_retrying = True


class ApiUnavailable(OutsideError):
    """The YouTube API can't be reached, or does not answer."""


class SourceUnavailable(OutsideError):
    """A source can't be read for now."""


class StorageUnavailable(OutsideError):
    """The destination of an export can't be used for now."""


class Overtaken(StorageUnavailable):
    """A destination that another export replaced while this one was made."""


class LedgerUnavailable(OutsideError):
    """The ledger can't be used for now: locked, disk full, server away."""


class ClusterUnavailable(OutsideError):
    """Dask's scheduler or workers failed."""


class InconsistentLedger(HarvesterError):
    """The ledger is not consistent."""

    exit_code = 5

    @classmethod
    def of(cls, what: str, findings: Iterable[str]) -> Self:
        """The error with a line for each finding."""
        return cls("\n".join([f"{what}:", *(f"  {finding}" for finding in findings)]), state="Nothing was changed.")


class LedgerDamaged(InconsistentLedger):
    """Stored data can't be read, or does not match its checksum."""


class ExportIncomplete(InconsistentLedger):
    """`--require-complete`, and ids are left to ask for."""
