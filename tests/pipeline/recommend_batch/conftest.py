"""A trained workspace, and what each user is recommended alone."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from adrec_cli.config import merge
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY, write_interactions

OPTIONS = RecommendOptions(k=5, sampling=FAST_SAMPLING)


@pytest.fixture(scope="session")
def trained(tiny_source, tmp_path_factory):
    """A workspace with a trained model, which tests only read."""
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(tiny_source, workspace)
    train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=TINY))
    return workspace


def ranked_ids(table: pl.DataFrame) -> dict[str, list[str]]:
    return dict(table.group_by("user_id", maintain_order=True).agg("item_id").rows())


def one_by_one(workspace, users, options=OPTIONS):
    found = recommend(users=users, workspace=workspace, options=options)
    return {result.user_id: [item.item_id for item in result.items] for result in found.results}


@pytest.fixture(scope="session")
def sorted_shop(tmp_path_factory):
    """A trained workspace whose item file gives most items one or two categories, some of them odd."""
    folder = tmp_path_factory.mktemp("sorted")
    write_interactions(folder / "shop.csv")
    named = {0: "tea", 1: "tea|green", 2: 'crème, "brûlée"', 3: "", 4: "greens"}
    table = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(39)], "category": [named[n % 5] or None for n in range(39)]}
    )
    table.write_csv(folder / "items.csv")
    options = PreprocessOptions(items=folder / "items.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder / "workspace", options=options)
    short = merge(TINY, {"stages": {name: {"epochs": 1} for name in ("pretrain", "align", "finetune")}})
    train("shop", workspace=folder / "workspace", experiment=ExperimentOptions(overrides=short))
    return folder / "workspace"
