"""Publish the stored responses as a file or a folder of parts, local or on S3, then the manifest.

`export` publishes, `write_to` writes to a stream, `check_place` says what would be refused, and `check_published`
verifies. All of them only read the ledger. `OnDask` makes the parts of a folder on a cluster.
"""

from harvester.export.dask.part_maker import OnDask, maker_for
from harvester.export.manifest import Manifest
from harvester.export.publish import check_place, export, write_to
from harvester.export.verify import check_published

__all__ = [
    "Manifest",
    "OnDask",
    "check_place",
    "check_published",
    "export",
    "maker_for",
    "write_to",
]
