"""`adrec export --vectors`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Adrec


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_vectors_are_written_and_read_back(shop: Path, adrec: Adrec, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"items{suffix}"
    done = adrec("export", out, "--vectors", "items", "--workspace", shop)
    assert done.exit_code == 0, done.stderr
    assert f"{out}: 12 items, 8 entries each, of adrec" in " ".join(done.stdout.split())
    read = adrec("encode", "shop", "--vectors", out, "--workspace", shop)
    assert (read.exit_code, "12 items, 8 entries each" in read.stdout) == (0, True), read.stderr


def test_the_step_of_users_is_said(shop: Path, adrec: Adrec, tmp_path: Path) -> None:
    out = tmp_path / "users.parquet"
    done = adrec("export", out, "--vectors", "users", "--workspace", shop, "--json")
    assert "assumed: one reverse step of zero noise" in done.stderr
    assert (json.loads(done.stdout)["rows"], pl.read_parquet(out).height) == (40, 40)


@pytest.mark.parametrize(
    ("file", "given", "expected"),
    [
        ("items.parquet", [], "--vectors items"),
        ("items.csv", ["--vectors", "items"], ".parquet or .npy"),
        ("items.npy", ["--vectors", "item"], "must be items or users"),
        ("items.npy", ["--vectors", "items", "-k", "5"], "-k and --include-seen are of a graph"),
        ("all.pt2", ["--include-seen"], "leave out --include-seen, or give -k 10 too"),
    ],
)
def test_the_hint_is_what_to_type(
    shop: Path, adrec: Adrec, tmp_path: Path, file: str, given: list[str], expected: str
) -> None:
    done = adrec("export", tmp_path / file, *given, "--workspace", shop)
    assert done.exit_code == 2
    assert expected in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
