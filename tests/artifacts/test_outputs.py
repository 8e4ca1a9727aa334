"""What a command may write over: neither artifacts nor what it reads."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.outputs import require_free_output, require_no_source
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


def entry(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


@given(
    contents=st.lists(st.binary(min_size=1, max_size=6), max_size=4), chosen=st.integers(0, 3),
    grown=st.binary(max_size=3), renamed=st.booleans(),
)  # fmt: skip
def test_what_a_data_set_was_made_from_is_not_written_over(
    contents: list[bytes], chosen: int, grown: bytes, renamed: bool
) -> None:
    """Under any name as it was read, under its own also where rows were added since."""
    sources = [*(entry(f"{number}.csv", content) for number, content in enumerate(contents)), {"name": "generated"}]
    held = contents[chosen] + grown if chosen < len(contents) else grown
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / ("other.csv" if renamed else f"{chosen}.csv")
        require_no_source(out, sources)
        out.write_bytes(held)
        own = any(out.name == f"{number}.csv" and held.startswith(content) for number, content in enumerate(contents))
        if own or held in contents:
            with pytest.raises(UsageError, match="is what the data set was made from"):
                require_no_source(out, sources)
        else:
            require_no_source(out, sources)
        assert out.read_bytes() == held
