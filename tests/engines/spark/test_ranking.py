"""A batch ranked on Spark's workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.recommend_batch import BatchRequest, write_batch
from adrec_cli.recommending.batch_options import HERE, AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.options import RecommendOptions

# PySpark leaves its sockets to be closed by whoever collects them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK_USERS", 10)


@pytest.mark.usefixtures("spark")
def test_the_bytes_are_those_of_one_process(grouped_shop: Path, tmp_path: Path) -> None:
    """What a worker refuses, and what of a round stays, is in tests/recommending/test_on_workers.py."""
    for name, engine in (("here", HERE), ("there", BatchEngine(engine="spark"))):
        request = BatchRequest(
            audience=AudienceOptions(all_users=True), output=BatchOutput(path=tmp_path / name), workspace=grouped_shop,
            options=RecommendOptions(k=3, threads=1), titled=True, engine=engine,
        )  # fmt: skip
        assert write_batch(request).rows == 360
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert len(here) == 5
    assert there == here
