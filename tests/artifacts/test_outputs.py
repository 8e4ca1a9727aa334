"""What a command may write over: neither artifacts nor what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.artifacts.outputs import require_free_output
from adrec_cli.errors import UsageError


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "ws/shop/reports").mkdir(parents=True)
    (tmp_path / "ws/shop/adrec/promoted").mkdir(parents=True)
    (tmp_path / "ws/shop/manifest.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "ws/shop")
    return tmp_path


@pytest.mark.parametrize(
    ("out", "free"),
    [
        ("recs.csv", True), ("ws/recs.csv", True), ("ws/shop/recs.csv", True), ("ws/shop/reports/page.html", True),
        ("ws/shop/manifest.json", False), ("ws/shop/sequences.parquet", False), ("ws/shop/items.parquet", False),
        ("ws/shop/pending.parquet", False), ("ws/shop/.lock", False), ("ws/shop/a.safetensors", False),
        ("ws/shop/adrec/current.json", False), ("ws/shop/adrec/recs.csv", False), ("ws/shop/adrec/promoted/x", False),
        ("ws/shop/reports/adrec-loo-full-test.json", False), ("ws/shop/reports/a.ranks.parquet", False),
        ("link/sequences.parquet", False), ("link/../ws/shop/sequences.parquet", False), ("link/recs.csv", True),
    ],
)  # fmt: skip
def test_artifacts_are_not_written_over(workspace: Path, out: str, free: bool) -> None:
    if free:
        require_free_output(workspace / out)
        return
    with pytest.raises(UsageError, match="artifact"):
        require_free_output(workspace / out)


def test_a_link_to_an_artifact_is_one(workspace: Path) -> None:
    (workspace / "recs.parquet").symlink_to(workspace / "ws/shop/sequences.parquet")
    with pytest.raises(UsageError):
        require_free_output(workspace / "recs.parquet")


def test_inputs_are_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users.csv"
    users.write_text("u1\n")
    (tmp_path / "hard.csv").hardlink_to(users)
    (tmp_path / "soft.csv").symlink_to(users)
    monkeypatch.chdir(tmp_path)
    for out in (users, Path("users.csv"), Path("./x/../users.csv"), tmp_path / "hard.csv", tmp_path / "soft.csv"):
        with pytest.raises(UsageError, match="is read by this command"):
            require_free_output(out, inputs=[None, users])
    require_free_output(tmp_path / "others.csv", inputs=[None, users])
