"""Where the page of `status --html` and `report.html` may be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.export.storage.open import target_at
from harvester.export.storage.ownership import admit, by_marks
from harvester.report.page import MARKS

if TYPE_CHECKING:
    from harvester.config import ExportSettings
    from harvester.export.storage.destination import Destination
    from harvester.protected import Protected


def page_at(uri: str, settings: ExportSettings, protected: Protected, *, force: bool = False) -> Destination:
    """The place, once it is sure that the page may be written there. Nothing is written yet.

    Raises DestinationRefused where something else than such a page stands there, unless `force`.
    """
    protected.refuse(uri)
    target = target_at(uri, settings, manifest=False)
    admit(target, by_marks(MARKS), force=force)
    return target
