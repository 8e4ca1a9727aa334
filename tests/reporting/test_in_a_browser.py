"""The report in Chromium, from a phone to a desk, light and dark: nothing hangs over, and axe-core finds nothing.

It needs what `tests/serving/ui/test_in_a_browser.py` does.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from adrec_cli.pipeline.report import report
from tests.pipeline.test_report import reported  # noqa: F401 - fixtures
from tests.serving.ui.test_in_a_browser import AXE, BROWSER, browser  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def address(reported, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("report") / "report.html"
    report("tiny", workspace=reported, out=path)
    return path.as_uri()


def look(browser, address, width, scheme):  # noqa: F811
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda line: faults.append(line.text))
    page.goto(address)
    for more in page.query_selector_all("details"):
        more.evaluate("one => one.open = true")
    return page, faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_report_fits_and_can_be_read(browser, address, tmp_path, width, scheme):  # noqa: F811
    page, faults = look(browser, address, width, scheme)
    folder = Path(os.environ.get("ADREC_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"report-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What may scroll by itself does not have to on a phone, where a table is a list of cards.
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1"
        " && !one.closest('.wide, .picture')).map(one => one.outerHTML.slice(0, 200))"
    )
    assert wide == []
    if width == 390:
        assert (
            page.evaluate(
                "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
            )
            == 0
        )
    small = page.evaluate(
        "[...document.querySelectorAll('main p, main td, main li, main figcaption')]"
        ".filter(one => parseFloat(getComputedStyle(one).fontSize) < 12).map(one => one.outerHTML.slice(0, 200))"
    )
    assert small == []
    assert faults == []
    page.close()


@pytest.mark.skipif(not AXE, reason="AXE does not name axe-core's script")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_report(browser, address, scheme):  # noqa: F811
    page, _ = look(browser, address, 768, scheme)
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})")
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found["violations"]] == []
    page.close()
