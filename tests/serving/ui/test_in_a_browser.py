"""The pages in Chromium: nothing hangs over, contrast and names as axe-core demands, the search while one types.

It needs Playwright, a Chromium (on the path, or named by CHROMIUM) and axe-core's script (axe.min.js, named by AXE).
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytest.importorskip("starlette", reason="the extra serve is not installed")

from tests.pipeline.test_serve_shops import Running as RunningShops  # noqa: E402
from tests.serving.ui.test_pages import running, workspace  # noqa: E402, F401 - fixtures

BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium")
AXE = os.environ.get("AXE", "")
ADDRESSES = {"empty": "/", "lists": "/?item=i1&item=i2&q=item&explain=on&k=5", "nights": "/nights"}
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


def look(browser, running, path: str, width: int, scheme: str):  # noqa: F811
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda line: faults.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    # The browser asks for an icon by itself.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(f"http://127.0.0.1:{running.port}{path}")
    return page, faults


@pytest.fixture(scope="module")
def several(workspace, tmp_path_factory):  # noqa: F811
    """A server of two shops and of one that has no model, whose name is long."""
    folder = tmp_path_factory.mktemp("several") / "workspace"
    for name in ("shop", "ünd-" * 20):
        shutil.copytree(workspace / "shop", folder / name)
    shutil.copytree(workspace / "shop", folder / "broken")
    (folder / "broken/adrec/current.json").write_text("{")
    with RunningShops(folder, ui=True) as server:
        yield server


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_shops_fit_and_lead_to_each_and_back(browser, several, tmp_path, width, scheme):
    page, faults = look(browser, several, "/", width, scheme)
    folder = Path(os.environ.get("ADREC_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"shops-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "no model answers" in page.inner_text("main")
    page.click("main a:last-of-type")
    page.focus("#q-field")
    page.keyboard.type("Item 3", delay=20)
    page.wait_for_selector(".found li")
    page.click(".found button")
    page.wait_for_selector(".history li")
    assert re.search(r"/shops/(shop|%C3%BCnd)", page.url), page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("text=All shops")
    assert page.inner_text("h1") == "All shops"
    assert faults == []
    page.close()


@pytest.mark.skipif(not AXE, reason="AXE does not name axe-core's script")
def test_axe_finds_nothing_in_the_list_of_shops(browser, several):
    require_accessible(browser, several, "/", "light")
    require_accessible(browser, several, "/", "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_fits_and_can_be_read(browser, running, tmp_path, name, width, scheme):  # noqa: F811
    page, faults = look(browser, running, ADDRESSES[name], width, scheme)
    for reason in page.query_selector_all("details"):
        reason.evaluate("one => one.open = true")
    folder = Path(os.environ.get("ADREC_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        "[...document.querySelectorAll('button, input:not([type=hidden]):not([type=checkbox])')]"
        ".filter(one => one.getBoundingClientRect().height < 32).map(one => one.outerHTML)"
    )
    assert small == []
    assert faults == []
    page.close()


@pytest.mark.skipif(not AXE, reason="AXE does not name axe-core's script")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ADDRESSES)
def test_axe_finds_nothing(browser, running, name, scheme):  # noqa: F811
    require_accessible(browser, running, ADDRESSES[name], scheme)


def require_accessible(browser, running, path, scheme):  # noqa: F811
    page, _ = look(browser, running, path, 768, scheme)
    # By the browser's own tools: the pages let no other script in.
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})")
    wrong = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]]
    assert wrong == []
    page.close()


def test_what_is_found_is_shown_while_one_types_and_keys_do_all(browser, running):  # noqa: F811
    page, faults = look(browser, running, "/", 1280, "light")
    page.focus("#q-field")
    page.keyboard.type("Item 3", delay=20)
    page.wait_for_selector(".found li")
    assert page.inner_text(".found li").startswith("Item 3")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Add Item 3")
    page.keyboard.press("Enter")
    page.wait_for_selector(".history li")
    assert "Item 3" in page.inner_text(".history li")
    page.focus("#user-field")
    page.keyboard.press("Enter")
    page.wait_for_selector(".recommended")
    assert page.query_selector(".history li") is not None
    assert faults == []
    page.close()
