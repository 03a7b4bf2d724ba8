"""The page as its readers have it: on a phone and a desk, light and dark, by keyboard, by screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_ledgers import HOSTILE_TITLES, OWNED

from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE, TABLET, DESK = 360, 768, 1440
TONES = ("good", "amber", "bad", "blue")
UNFOLD = "document.querySelectorAll('details').forEach(details => details.open = true)"
VIDEO = "https://www.youtube.com/watch?v="
LEDGERS = {"empty": 1, "hostile": 9, "failed": 6, "given-up": 9, "long": 8, "growing": 9}
"""With as many headings as each has something to show for."""
ACTIVE = "script, img, iframe, object, embed, link[rel=stylesheet], [onerror], [onload]"
CUT_OFF = """() => [...document.querySelectorAll('.chart text')].filter(text => {
    const [inner, outer] = [text, text.closest('svg')].map(element => element.getBoundingClientRect());
    const beyond = [outer.left - inner.left, inner.right - outer.right, inner.bottom - outer.bottom];
    return inner.width && Math.max(...beyond) > 1;
}).map(text => text.textContent)"""
"""The labels of charts that stand across an edge."""
CHARTS = {
    "units": "Units a day",
    "course": "Ids settled over time, against the plan",
    "outcomes": "Calls a day, by outcome",
    "latency": "Good calls by how long they took",
}


def cells(page: Page, table: str, column: int) -> list[str]:
    page.evaluate(UNFOLD)
    found: list[str] = page.locator(f"table:has(#table-{table}) tbody tr > *:nth-child({column})").all_inner_texts()
    return found


def style_of(page: Page, selector: str, what: str) -> str:
    value: str = page.locator(selector).first.evaluate("(element, what) => getComputedStyle(element)[what]", what)
    return value


@pytest.mark.parametrize("ledger", LEDGERS)
def test_nothing_is_asked_for_complained_of_or_wider_than_the_screen(
    open_page: Any, pages: dict[str, Path], ledger: str
) -> None:
    seen = open_page(ledger)
    for width in (PHONE, DESK):
        seen.page.set_viewport_size({"width": width, "height": 800})
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert seen.page.evaluate(CUT_OFF) == []
    assert seen.requests == [pages[ledger].as_uri()]
    assert seen.complaints == []
    assert seen.page.locator(ACTIVE).count() == 0
    assert seen.page.locator("main h2").count() == LEDGERS[ledger]


def test_hostile_texts_are_shown_and_do_nothing(open_page: Any) -> None:
    page = open_page("hostile").page
    assert page.evaluate("window.owned") is None
    assert page.title() == f"On time · 15.0% · {OWNED} · harvester"
    assert page.inner_text("h1") == OWNED
    texts = [shown(title, 120) if isinstance(title, str) else "" for title in HOSTILE_TITLES]
    assert cells(page, "newest", 2)[: len(texts)] == texts
    assert cells(page, "newest", 3)[: len(texts)] == texts
    assert cells(page, "faults", 1) == [f"backend{OWNED}"]
    assert cells(page, "runs", 2) == [f"stopped{OWNED}"]
    assert cells(page, "runs", 7) == [f"here{OWNED} 1"]


@pytest.mark.parametrize(
    ("ledger", "width", "scheme"),
    [
        ("long", PHONE, "dark"),
        ("long", DESK, "light"),
        ("growing", PHONE, "light"),
        ("growing", DESK, "dark"),
        ("given-up", TABLET, "light"),
        ("failed", PHONE, "dark"),
        ("empty", PHONE, "light"),
    ],
)
def test_it_is_accessible(open_page: Any, ledger: str, width: int, scheme: str) -> None:
    """axe: contrast AA, landmarks, headings, tables, names, places that scroll by keyboard."""
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(ledger, width, scheme).page
    page.evaluate(UNFOLD)
    # axe can't tell the contrast of what stands on a shadow.
    page.add_style_tag(content=".scroll { background: none !important }")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(
    ("ledger", "status", "steps"),
    [
        ("empty", "Not started", []),
        ("given-up", "On time", ["harvester status --failed", "harvester retry", "harvester status --watch"]),
        ("failed", "Needs you", ["harvester run"]),
        ("long", "Done", ["harvester export"]),
    ],
)
def test_the_status_is_a_word_a_colour_and_what_to_type(
    open_page: Any, ledger: str, status: str, steps: list[str]
) -> None:
    page = open_page(ledger).page
    status_region = page.get_by_role("region", name="Status")
    assert status_region.locator(".status").inner_text().endswith(status)
    assert status_region.locator(".sentence").inner_text()
    assert status_region.locator("li code").all_inner_texts() == steps
    colours = {name: page.evaluate(f"getComputedStyle(document.body).getPropertyValue('--{name}')") for name in TONES}
    tone = status_region.evaluate("element => getComputedStyle(element).getPropertyValue('--tone')")
    assert tone == colours[{"Done": "good", "On time": "good", "Needs you": "bad"}.get(status, "blue")]


def test_a_click_selects_a_whole_command(open_page: Any) -> None:
    page = open_page("empty").page
    page.locator("code.command").nth(4).click()
    assert page.evaluate("getSelection().toString()") == "harvester schedule --cron"


def test_tables_are_folded_under_their_charts(open_page: Any) -> None:
    page = open_page("given-up").page
    for name in CHARTS:
        table = page.locator(f"section:has(#chart-{name}) .scroll")
        assert not table.is_visible()
        page.locator(f"section:has(#chart-{name}) summary").click()
        assert table.is_visible()


def test_videos_are_linked_and_runs_say_what_they_cost(open_page: Any) -> None:
    page = open_page("given-up").page
    for table in ("failed", "newest"):
        ids = cells(page, table, 1)
        links = page.locator(f"table:has(#table-{table}) a")
        assert [link.get_attribute("href") for link in links.all()] == [f"{VIDEO}{video_id}" for video_id in ids]
    assert cells(page, "failed", 2) == ["backendError", "backendError", "http_400", "http_400"]
    assert [cells(page, "runs", column) for column in (4, 5, 6)] == [["0 s"], ["5"], ["55"]]


def test_a_table_that_goes_on_beyond_its_edge_shows_it(open_page: Any) -> None:
    page = open_page("given-up", PHONE).page
    scroll = page.locator(".scroll").filter(has=page.locator("#table-runs"))
    assert scroll.evaluate("element => element.scrollWidth > element.clientWidth")
    assert "linear-gradient" in scroll.evaluate("element => getComputedStyle(element).backgroundImage")


def test_what_is_dashed_is_dashed_in_the_legend(open_page: Any) -> None:
    page = open_page("long").page
    assert style_of(page, "#chart-course .color-1 .line", "strokeDasharray") != "none"
    assert style_of(page, ".key.planned", "borderTopStyle") == "dashed"
    assert style_of(page, "#chart-course .color-0 .line", "strokeDasharray") == "none"
    assert style_of(page, ".key.settled", "borderTopStyle") == "solid"


@pytest.mark.parametrize("chart", ["fastest", "fresh"])
def test_each_line_of_views_differs_by_more_than_its_colour(open_page: Any, chart: str) -> None:
    page = open_page("growing").page
    lines = page.locator(f"#chart-{chart} .series .line")
    assert lines.count() == page.locator(f"section:has(#chart-{chart}) .legend li").count() == 5
    drawn = {
        lines.nth(number).evaluate(
            "each => [getComputedStyle(each).stroke, getComputedStyle(each).strokeDasharray] + ''"
        )
        for number in range(5)
    }
    assert len(drawn) == len({style.rpartition(")")[2] for style in drawn}) == 5
    first, last = (line.evaluate("each => each.getBBox().height") for line in (lines.first, lines.last))
    gained = [int(text.replace(",", "")) for text in cells(page, chart, 5)]
    assert last / first == pytest.approx(gained[-1] / gained[0], abs=0.05)


def test_axes_end_above_the_highest_value(open_page: Any) -> None:
    page = open_page("long").page
    for name, most in (("units", 10_000), ("course", 631_350), ("outcomes", 902)):
        labels = page.locator(f"#chart-{name} .axis.y text").all_text_contents()
        assert max(int(label.replace(",", "")) for label in labels if label) > most


def test_a_screen_reader_finds_its_way(open_page: Any) -> None:
    page = open_page("long").page
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    for link in page.locator("nav a").all():
        assert page.locator(f"h2{link.get_attribute('href')}").inner_text() == link.inner_text()
    assert page.locator("nav a").count() == LEDGERS["long"]
    assert page.locator("table").count() == page.locator("table > caption").count() == 8
    for name, title in CHARTS.items():
        chart = page.get_by_role("img", name=title, exact=False).and_(page.locator(f"#chart-{name}"))
        assert chart.count() == 1
        assert len(chart.locator("desc").text_content()) > len("Bars of")


def test_the_keyboard_reaches_what_scrolls(open_page: Any) -> None:
    page = open_page("long", PHONE).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.locator("section:has(#chart-outcomes) summary").focus()
    page.keyboard.press("Enter")
    hidden = page.locator(".scroll").filter(has=page.locator("#table-outcomes"))
    assert hidden.evaluate("element => element.scrollWidth > element.clientWidth")
    hidden.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=hidden.element_handle())


def test_charts_are_drawn_of_what_their_tables_say(open_page: Any) -> None:
    page = open_page("long").page
    heights = [box.bounding_box()["height"] for box in page.locator("#chart-units .series .rect").all()]
    units = [int(text.replace(",", "")) for text in cells(page, "units", 2)]
    assert len(heights) == len(units) == 14
    for height, number in zip(heights, units, strict=True):
        assert height / max(heights) == pytest.approx(number / max(units), abs=0.01)
    assert sum(int(text.replace(",", "")) for text in cells(page, "outcomes", 2)) == 12_627
    assert page.locator("#chart-course .series .line").count() == 2
    drawn = [round(box.bounding_box()["height"]) for box in page.locator("#chart-latency .series .rect").all()]
    assert [height > 0 for height in drawn] == [text != "0" for text in cells(page, "latency", 2)]


def test_light_and_dark_follow_the_reader(open_page: Any) -> None:
    page = open_page("long").page
    places = (
        ("body", "backgroundColor"),
        ("body", "color"),
        ("#chart-units .rect", "fill"),
        ("#chart-units text", "fill"),
        ("#chart-course .series .line", "stroke"),
    )
    light = [style_of(page, *place) for place in places]
    page.emulate_media(color_scheme="dark")
    dark = [style_of(page, *place) for place in places]
    assert [place for place, before, after in zip(places, light, dark, strict=True) if before == after] == []


@pytest.mark.parametrize(
    ("ledger", "says"),
    [
        (
            "empty",
            ["The ledger is empty.", "Set up the crawl", "harvester load SOURCE", "harvester run"],
        ),
        ("failed", ["The last run ended because the API gave no good answer.", "0.0%", "4 calls"]),
    ],
)
def test_ledgers_with_little_in_them_say_so(open_page: Any, ledger: str, says: list[str]) -> None:
    text = open_page(ledger).page.inner_text("main")
    assert [sentence for sentence in says if sentence not in text] == []
