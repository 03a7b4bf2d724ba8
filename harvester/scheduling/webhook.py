"""The summary of a day, posted to a chat or a program."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harvester.scheduling.post import post

if TYPE_CHECKING:
    from harvester.config import NotifySettings

log = logging.getLogger(__name__)


class Webhook:
    """Posts to `notify.webhook`. What goes wrong with that is a warning, and never an exception."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    async def send(self, summary: Mapping[str, Any]) -> None:
        """Post `summary`, whose `text` is all that a chat gets."""
        if self._settings.webhook is None:
            return
        # Slack's text has three characters of its own, which it takes as entities.
        chat = self._settings.webhook_format == "slack"
        body = {"text": html.escape(summary["text"], quote=False)} if chat else summary
        url = self._settings.webhook.get_secret_value()
        if problem := await post(url, json.dumps(body).encode(), "application/json"):
            log.warning("the day's summary was not sent to notify.webhook: %s", problem)
