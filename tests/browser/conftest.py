"""The page of `status --html` in the system's Chromium, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_ledgers import NOW, OWNED, failed_ledger, given_up_ledger, growing_ledger, hostile_ledger, long_ledger

from harvester.app import Harvester
from harvester.clock import SystemClock
from harvester.config import isolated_config
from harvester.ledger.sqlite.migrate import prepare

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class At(SystemClock):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


@dataclass
class Seen:
    """An open page, and what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


Open = Callable[..., Seen]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind of ledger. Made before the browser starts, which keeps the thread's event loop busy."""
    folder = tmp_path_factory.mktemp("pages")
    kinds: dict[str, Callable[[Path], Any]] = {
        "empty": prepare,
        "hostile": hostile_ledger,
        "failed": failed_ledger,
        "given-up": given_up_ledger,
        "long": long_ledger,
        "growing": growing_ledger,
    }
    for name, make in kinds.items():
        make(folder / f"{name}.db")
        config = isolated_config({"ledger": {"url": f"sqlite:///{folder / name}.db"}, "report": {"name": OWNED}})
        Harvester(config, At(NOW)).publish_page(str(folder / f"{name}.html"))
    return {name: folder / f"{name}.html" for name in kinds}


@pytest.fixture(scope="module")
def tab(pages: dict[str, Path]) -> Iterator[Page]:
    """One for all, as a new one takes longer than most tests: a page without scripts leaves nothing to the next."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, as in a container, Chromium's sandbox does not start.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def open_page(tab: Page, pages: dict[str, Path]) -> Iterator[Open]:
    """`open_page("empty", width=360, scheme="dark")`. One page a test."""
    seen = Seen(tab)
    listeners: dict[Any, Callable[[Any], None]] = {
        "request": lambda request: seen.requests.append(request.url),
        "console": lambda message: seen.complaints.append(message.text),
        "pageerror": lambda error: seen.complaints.append(str(error)),
    }

    def open_it(name: str, width: int = 1440, scheme: Any = "light") -> Seen:
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        tab.goto(pages[name].as_uri())
        return seen

    for event, listener in listeners.items():
        tab.on(event, listener)
    yield open_it
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
