"""Several real shops in one server: answers as the command gives them, promotions, broken ones, pages, processes."""

from __future__ import annotations

import json
import re
import shutil
import time
from urllib.parse import quote

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.pipeline.serve import make_shops
from adrec_cli.pipeline.train import train
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.serving.options import ServeOptions
from tests.conftest import TINY, write_interactions
from tests.pipeline.test_serve import Running as RunningOne

SMALL = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}
OPTIONS = RunOptions(experiment=ExperimentOptions(overrides=TINY), promotion=PromotionOptions(tolerance=1.0))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace of two shops with a promoted model, one of them with an umlaut in its name, and one without."""
    folder = tmp_path_factory.mktemp("shops")
    for name, users in (("north", 60), ("süd", 70)):
        write_interactions(folder / f"{name}.csv", users=users)
        run(str(folder / f"{name}.csv"), workspace=folder / "workspace", options=OPTIONS)
    experiment = ExperimentOptions(overrides={"model": SMALL, "stages": {"train": {"epochs": 1}}})
    train("north", model_name="sasrec", workspace=folder / "workspace", experiment=experiment)
    shutil.copytree(folder / "workspace/north", folder / "workspace/later", ignore=shutil.ignore_patterns("adrec"))
    return folder / "workspace"


class Running(RunningOne):
    """A server of several shops in a thread of this process."""

    def make(self, workspace, model, names=()):
        self.lines = []
        return make_shops(
            workspace=workspace, names=names, model=model, options=self.options,
            on_reload=lambda *told: self.reloads.append(told), on_log=lambda *line: self.lines.append(line),
        )  # fmt: skip

    def ask_shop(self, name, **question):
        status, content = self.send("POST", f"/shops/{quote(name)}/recommend", json.dumps(question))
        return status, json.loads(content)

    def health(self):
        return json.loads(self.send("GET", "/healthz")[1])


@pytest.fixture(scope="module")
def running(workspace):
    with Running(workspace, ui=True, beside="sasrec") as server:
        yield server


@pytest.mark.parametrize("name", ["north", "süd"])
def test_each_answers_what_the_command_does(running, workspace, name):
    status, found = running.ask_shop(name, user="u1", k=5)
    options = RecommendOptions(k=5, sampling=FAST_SAMPLING)
    expected = recommend(users=["u1"], workspace=workspace, dataset_name=name, options=options)
    assert status == 200
    assert [item["item_id"] for item in found["items"]] == [item.item_id for item in expected.results[0].items]
    status, content = running.send("GET", f"/shops/{quote(name)}/healthz")
    assert (status, json.loads(content)["dataset"], json.loads(content)["promoted"]) == (200, name, True)


def test_only_shops_with_a_promoted_model_are_served_until_they_have_one(workspace, tmp_path):
    own = tmp_path / "workspace"
    shutil.copytree(workspace, own)
    with Running(own, poll_seconds=0.05) as server:
        assert list(server.health()["shops"]) == ["north", "süd"]
        write_interactions(tmp_path / "new.csv", users=50)
        run(str(tmp_path / "new.csv"), workspace=own, options=OPTIONS)
        wait_until(lambda: "new" in server.health()["shops"])
        assert server.ask_shop("new", user="u1")[0] == 200
        (own / "north/adrec/current.json").write_text("{")
        wait_until(lambda: server.health()["shops"]["north"]["status"] == "stale")
        assert [server.ask_shop(name, user="u1")[0] for name in ("north", "new", "süd")] == [200] * 3
    with Running(own) as server:
        assert {name: shop["status"] for name, shop in server.health()["shops"].items()} == {
            "new": "ok", "north": "failing", "süd": "ok",
        }  # fmt: skip
        assert [level for level, text in server.lines if "north is not served" in text] == ["warning"]
        assert [server.ask_shop(name, user="u1")[0] for name in ("north", "new", "süd")] == [503, 200, 200]


def wait_until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_model_is_named_for_all_and_what_is_of_one_shop_is_refused(workspace):
    with Running(workspace, model="sasrec", names=["north", "later"]) as server:
        assert {name: shop.get("model") for name, shop in server.health()["shops"].items()} == {
            "later": "sasrec", "north": "sasrec",
        }  # fmt: skip
    for arguments, said in (
        ({"model": "finetune.safetensors"}, "no model's name"),
        ({"options": ServeOptions(new_items=workspace / "items.csv")}, "belongs to one data set"),
    ):
        with pytest.raises(UsageError, match=said):
            make_shops(**{"workspace": workspace, "options": ServeOptions(), **arguments})
    with pytest.raises(ArtifactError, match="'nothing' is not in"):
        make_shops(workspace=workspace, names=["north", "nothing"], options=ServeOptions())
    with pytest.raises(ArtifactError, match="has a promoted model gru4rec"):
        make_shops(workspace=workspace, model="gru4rec", options=ServeOptions())
    with pytest.raises(ArtifactError, match="no data set in"):
        make_shops(workspace=workspace / "nowhere", options=ServeOptions())


def test_pages_lead_to_each_shop_and_back(running):
    front = running.send("GET", "/")[1].decode()
    assert re.findall(r'href="(/shops/[^"]+)"', front) == ["/shops/north/", "/shops/s%C3%BCd/"]
    assert running.lines == [("warning", next(text for _, text in running.lines))]
    assert running.lines[0][1].startswith("süd shows nothing beside")
    for base, lists in (("/shops/north", 2), ("/shops/s%C3%BCd", 1)):
        page = running.send("GET", f"{base}/?user=u1&k=3")[1].decode()
        assert page.count('<ol class="recommended">') == lists
        assert f'action="{base}/"' in page
        links = re.findall(r'<a href="([^"]+)"', page)
        assert links == ["/", f"{base}/", f"{base}/nights"]
        for path in [*links, "/ui.css", "/ui.js"]:
            assert running.send("GET", path)[0] == 200, path
        assert page.count('aria-current="page"') == 1
