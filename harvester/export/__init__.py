"""Publishing: the stored responses become one file, local or on S3, and then a manifest beside it.

`export` writes, `check_published` proves what was written. Both only read the ledger.
"""

from harvester.export.check import check_published
from harvester.export.manifest import Manifest
from harvester.export.publish import export

__all__ = ["Manifest", "check_published", "export"]
