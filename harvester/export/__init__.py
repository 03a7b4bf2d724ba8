"""Publishing: the stored responses become one file, local or on S3, and then its manifest.

`export` writes, `write_to` does so to a stream, `check_place` tells beforehand what would be refused, and
`check_published` proves what was written. All of them only read the ledger. `OnDask` has the parts of a folder made by
a cluster.
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
