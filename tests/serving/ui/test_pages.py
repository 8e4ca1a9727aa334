"""The pages: right lists, nothing that a title holds runs, strict headers, and what is there without a night."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import re
from html.parser import HTMLParser
from http.client import HTTPConnection

import polars as pl
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.artifacts.nights import NOT_PROMOTED, note_night
from adrec_cli.errors import UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.pipeline.train import train
from adrec_cli.schema import ITEM_ID, NIGHTS_FILE, TITLE
from adrec_cli.serving.options import ServeOptions
from adrec_cli.serving.ui.ask_page import FOUND_AT_MOST, FoundItem
from adrec_cli.serving.ui.pages import find_items
from tests.artifacts.test_nights import NIGHT
from tests.conftest import TINY, write_interactions
from tests.pipeline.test_serve import Running

HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A shop of two models, in which one title is markup."""
    folder = tmp_path_factory.mktemp("ui")
    write_interactions(folder / "shop.csv", users=60)
    titles = pl.DataFrame({ITEM_ID: [f"i{n}" for n in range(40)], TITLE: [f"Item {n}" for n in range(39)] + [HOSTILE]})
    titles.write_csv(folder / "products.csv")
    from adrec_cli.pipeline.preprocess import PreprocessOptions

    reading = PreprocessOptions(items=folder / "products.csv")
    experiment = ExperimentOptions(overrides=TINY)
    run(
        str(folder / "shop.csv"),
        workspace=folder / "workspace",
        options=RunOptions(preprocessing=reading, experiment=experiment),
    )
    small = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}
    train(
        "shop",
        model_name="sasrec",
        workspace=folder / "workspace",
        experiment=ExperimentOptions(overrides={"model": small, "stages": {"train": {"epochs": 1}}}),
    )
    return folder / "workspace"


@pytest.fixture(scope="module")
def running(workspace):
    with Running(workspace, model="adrec", ui=True, beside="sasrec") as server:
        yield server


def page(running, path: str, status: int = 200) -> str:
    got, content = running.send("GET", path)
    assert got == status, content
    return content.decode()


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


class Scripts(HTMLParser):
    """Counts what could run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, handlers and addresses that run."""
        if tag == "script" and dict(attrs).get("src") != "/ui.js":
            self.found.append(tag)
        self.found += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]
        self.found += [name for name, _ in attrs if name == "style"]


def require_harmless(markup: str) -> None:
    scripts = Scripts()
    scripts.feed(markup)
    assert scripts.found == []


def test_both_models_lists_are_those_that_the_server_gives(running):
    _, answer = running.ask(user="u1", k=4)
    shown = page(running, "/?user=u1&k=4")
    lists = re.findall(r'<ol class="recommended">(.*?)</ol>', shown)
    assert len(lists) == 2
    assert [item["item_id"] for item in answer["items"]] == re.findall(r"<code>(i\d+)</code>", lists[0])
    assert len(re.findall(r"<li>", lists[1])) == 4
    names = re.findall(r"<section><h2>(\w+)</h2>", shown)
    assert names == ["adrec", "sasrec"]
    both = set.intersection(*(set(re.findall(r"<code>(i\d+)</code>", one)) for one in lists))
    assert f"{len(both)} of them are in both lists" in shown
    assert sum(one.count("only here") for one in lists) == 2 * (4 - len(both))


def test_a_history_is_built_and_explained(running):
    _, answer = running.ask(history=["i1", "i2"], k=3, explain=True)
    shown = page(running, "/?item=i1&item=i2&k=3&explain=on")
    assert text_of(shown).count("Remove") == 2
    assert "Item 1 i1" in text_of(shown)
    strongest = answer["explanations"][0]["influences"][0]
    assert f"{strongest['influence']:+.4f} by {strongest['title']}" in text_of(shown)
    assert "Most like it in the catalogue: Item " in text_of(shown)
    assert text_of(page(running, "/?item=i1&item=i2&drop=0")).count("Remove") == 1


def test_what_cannot_be_answered_is_said_in_the_page(running):
    assert "No list: unknown user." in text_of(page(running, "/?user=nobody"))
    assert "No list: none of the items of the history is known." in text_of(page(running, "/?item=x"))
    assert "Unknown items were left out: x." in text_of(page(running, "/?item=i1&item=x"))
    assert "No item has that in its title or id." in text_of(page(running, "/?q=zzz"))


def test_nothing_that_is_typed_or_called_so_runs(running):
    from urllib.parse import quote

    for path in (
        "/?q=script", "/?item=i39", f"/?user={quote(HOSTILE)}", f"/?q={quote(HOSTILE)}", f"/?item={quote(HOSTILE)}",
        f"/?part=found&q={quote('<script')}", f"/nights?model={quote(HOSTILE)}", "/?item=i39&user=u1&explain=on&k=20",
    ):  # fmt: skip
        require_harmless(page(running, path))
    assert html.escape(HOSTILE, quote=True) in page(running, "/?q=script")


def test_pages_load_nothing_from_elsewhere_and_no_site_may_frame_them(running):
    for path, kind in (("/", "text/html"), ("/nights", "text/html"), ("/ui.css", "text/css"), ("/ui.js", "text/java")):
        connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read().decode()
        connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        assert headers["content-type"].startswith(kind)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "http://" not in content
        assert "https://" not in content


def test_each_field_has_a_label_and_each_id_is_there_once(running):
    shown = page(running, "/?item=i1&q=item&user=u1&explain=on")
    fields = set(re.findall(r'<input[^>]* id="([^"]+)"', shown))
    assert fields == set(re.findall(r'<label for="([^"]+)"', shown))
    ids = re.findall(r' id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-describedby="([^"]+)"', shown)) <= set(ids)
    assert shown.count("<h1>") == 1


def test_enter_in_a_field_changes_no_history(running):
    """A browser then presses the first button of the form."""
    shown = page(running, "/?item=i1&q=item")
    first = re.search(r"<button[^>]*>", shown)
    assert first is not None
    assert "name=" not in first[0]


def test_the_search_finds_titles_and_ids_whatever_their_case_and_no_pattern():
    items = pl.DataFrame({ITEM_ID: ["a1", "B.2", *map(str, range(50))], TITLE: ["Émile", None, *["same"] * 50]})
    assert find_items(items, "éMI") == [FoundItem(item_id="a1", title="Émile")]
    assert find_items(items, "b.2") == [FoundItem(item_id="B.2", title=None)]
    assert find_items(items, ".") == [FoundItem(item_id="B.2", title=None)]
    assert len(find_items(items, "same")) == FOUND_AT_MOST
    assert find_items(items, "7")[0].item_id == "7"
    assert find_items(items.drop(TITLE), "A1") == [FoundItem(item_id="a1", title=None)]


def test_nights_are_told_from_what_runs_noted(running, workspace):
    shown = text_of(page(running, "/nights"))
    assert "promoted at" in shown
    assert "The first night has nothing to be held against." in shown
    folder = workspace / "shop/adrec"
    before = (folder / NIGHTS_FILE).read_bytes()
    rule = {
        "rule": HOSTILE, "against": "current", "metric": "m", "protocol": "p", "candidate": 0.25, "current": 0.5,
        "difference": -0.25, "low": -0.5, "high": 0.125, "users": 3,
    }  # fmt: skip
    note_night(folder, dataclasses.replace(NIGHT, outcome=NOT_PROMOTED, rules=[rule, {"rule": 1}]))
    try:
        markup = page(running, "/nights")
        require_harmless(markup)
        shown = text_of(markup)
        assert shown.index("2026-11-26 03:00 not promoted") < shown.rindex(" promoted 60 40 ")
        assert "not promoted 10 20 100 0.2500 0.2000 [0.1000, 0.3000]" in shown
        assert "0.2500 0.5000 -0.2500 [-0.5000, +0.1250]" in shown
        assert "50.0% 25.0% -12.5%" in shown
        assert "<polyline" in markup
    finally:
        (folder / NIGHTS_FILE).write_bytes(before)
    assert "Nothing is noted yet" in text_of(page(running, "/nights?model=gru4rec"))
    for path in ("../shop/gru4rec", "./gru4rec", "/", "nothing"):
        assert "adrec: what is promoted" in text_of(page(running, f"/nights?model={path}"))


def test_there_is_no_page_unless_it_is_asked_for(workspace):
    with Running(workspace) as server:
        assert [server.send("GET", path)[0] for path in ("/", "/nights", "/ui.css", "/ui.js")] == [404] * 4
    with pytest.raises(UsageError, match="shown on the page"):
        ServeOptions(beside="sasrec")


def test_pages_of_many_at_once_are_right(running):
    expected = {user: page(running, f"/?user={user}") for user in ("u1", "u2", "u3")}

    async def ask() -> list[str]:
        users = [*expected] * 4
        return await asyncio.gather(*(asyncio.to_thread(page, running, f"/?user={user}") for user in users))

    assert asyncio.run(ask()) == [*expected.values()] * 4
