"""A batch ranked on Spark's workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.data import dataset_files
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.preprocess import preprocess
from adrec_cli.pipeline.recommend_batch import BatchRequest, write_batch
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.batch_options import HERE, AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import write_interactions

# PySpark leaves its sockets to be closed by whoever collects them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose sequences have five row groups, with a model that reads when events were."""
    folder = tmp_path_factory.mktemp("ranked")
    write_interactions(folder / "shop.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_files, "MAX_ROW_GROUP_USERS", 25)
        preprocess(str(folder / "shop.csv"), workspace=folder / "workspace")
    small = {"hidden_size": 8, "max_length": 8, "heads": 2, "times": "gaps"}
    brief = ExperimentOptions(overrides={"model": small, "stages": {"train": {"epochs": 1}}})
    train("shop", workspace=folder / "workspace", model_name="sasrec", experiment=brief)
    return folder / "workspace"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK_USERS", 10)


def test_the_bytes_are_those_of_one_process(shop: Path, tmp_path: Path) -> None:
    """What a worker refuses, and what of a round stays, is in tests/recommending/test_on_workers.py."""
    for name, engine in (("here", HERE), ("there", BatchEngine(engine="spark"))):
        request = BatchRequest(
            audience=AudienceOptions(all_users=True), output=BatchOutput(path=tmp_path / name), workspace=shop,
            options=RecommendOptions(k=3, threads=1), titled=True, engine=engine,
        )  # fmt: skip
        assert write_batch(request).rows == 360
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert len(here) == 5
    assert there == here
