"""Publish the stored responses as a file or a folder of parts, local or on S3, then the manifest.

`export` publishes, `write_to` writes to a stream, `check_place` says what would be refused, and `check_published`
verifies. All of them only read the ledger. `OnDask` makes the parts of a folder on a cluster.

Names are imported on first use: processes that format videos need none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.export.dask.part_maker import OnDask, maker_for
    from harvester.export.manifest import Manifest
    from harvester.export.publish import check_place, export, write_to
    from harvester.export.verify import check_published

__all__ = ["Manifest", "OnDask", "check_place", "check_published", "export", "maker_for", "write_to"]

_HOMES = {
    "Manifest": "manifest",
    "OnDask": "dask.part_maker",
    "check_place": "publish",
    "check_published": "verify",
    "export": "publish",
    "maker_for": "dask.part_maker",
    "write_to": "publish",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
