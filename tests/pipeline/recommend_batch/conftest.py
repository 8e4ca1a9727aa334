"""A trained workspace, and what each user is recommended alone."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY

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
