"""Files that are named beside a source, at addresses too: items, what is joined, vectors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.content.encoding import encode_if_stale
from adrec_cli.content.options import EncodeOptions
from adrec_cli.data import remote_files
from adrec_cli.data.addresses import find_address, show_path
from adrec_cli.data.download import Expectation
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import AdrecError, InputError, UsageError
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import preprocess
from tests.data.test_remote_files import EVENTS, put, read_all
from tests.object_store import CANARY, bucket, endpoint

__all__ = ["bucket", "endpoint"]
pytestmark = pytest.mark.usefixtures("in_shell")

ITEMS = b"item,title\n" + b"".join(f"i{number},Title {number}\n".encode() for number in range(7))


@pytest.mark.parametrize(
    "address",
    ["s3://lake/a b/items.csv", "https://shop.example/a.csv?sig=x%2Fy", "S3://lake/a.csv", "gopher://lake/a.csv"],
)
def test_an_address_is_found_in_the_path_that_was_made_of_it(address: str) -> None:
    assert find_address(Path(address)) == address


@pytest.mark.parametrize("path", ["items.csv", "/data/s3:/items.csv", "a/b://c", "C:/items.csv", ":/a", "", "s3:"])
def test_a_path_is_no_address(path: str) -> None:
    assert find_address(Path(path)) is None
    assert show_path(Path(path)) == str(Path(path))


def test_a_folder_of_such_a_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:/items.csv").write_bytes(ITEMS)
    assert find_address(Path("s3:/items.csv")) is None


def test_items_and_what_is_joined_may_lie_elsewhere(bucket: Any, tmp_path: Path, scratch: Path) -> None:
    orders = b"order,who,timestamp\n" + b"".join(f"o{n},u{n},{1_600_000_000 + n}\n".encode() for n in range(9))
    lines = b"order,item\n" + b"".join(f"o{n},i{(n + step) % 7}\n".encode() for n in range(9) for step in range(6))
    for name, content in {"lines.csv": lines, "orders.csv": orders, "items.csv": ITEMS}.items():
        put(bucket, f"lake/{name}", content)
        (tmp_path / name).write_bytes(content)

    def make(root: str, workspace: str) -> dict[str, Any]:
        options = PreprocessOptions(
            name="shop", items=Path(f"{root}/items.csv"), join=Path(f"{root}/orders.csv"), on="order", user_column="who"
        )
        done = preprocess(f"{root}/lines.csv", workspace=tmp_path / workspace, options=options)
        return read_all(done.folder)

    here = make(str(tmp_path), "here")
    assert make("s3://lake", "there") == here
    assert "Title 3" in pl.read_parquet(io.BytesIO(here["items.parquet"]))["title"].to_list()
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("key", ["items", "join"])
def test_what_is_missing_beside_is_one_line_without_secrets(key: str, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "events.csv").write_bytes(EVENTS)
    place = Path(f"s3://AKIDcanary:{CANARY}@lake/none.csv")
    options = PreprocessOptions(**{key: place}, on="item" if key == "join" else None)
    with pytest.raises(AdrecError) as raised:
        preprocess(str(tmp_path / "events.csv"), workspace=tmp_path / "w", options=options)
    assert isinstance(raised.value, (InputError, UsageError))
    assert "canary" not in f"{raised.value.message} {raised.value.hint} {raised.value.__cause__}"
    assert list(scratch.iterdir()) == []


def test_offline_fetches_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(EVENTS)
    options = PreprocessOptions(items=Path("s3://lake/items.csv"), offline=True)
    with pytest.raises(UsageError, match=r"s3://lake/items.csv is not on this machine"):
        preprocess(str(tmp_path / "events.csv"), workspace=tmp_path / "w", options=options)


def vectors_file(name: str) -> dict[str, bytes]:
    """Return a file with vectors of seven items, and of its ids where it has none."""
    rng, content = np.random.default_rng(1), io.BytesIO()
    values, ids = rng.normal(size=(7, 4)).astype(np.float32), [f"i{number}" for number in range(7)]
    if name.endswith(".npy"):
        np.save(content, values)
        return {name: content.getvalue(), f"{name[:-4]}.ids.txt": "\n".join(ids).encode()}
    pl.DataFrame({"item_id": ids, "vector": values.tolist()}).write_parquet(content)
    return {name: content.getvalue()}


@pytest.mark.parametrize("name", ["v.parquet", "v.npy"])
def test_vectors_may_lie_elsewhere_and_are_found_there_again(
    name: str, bucket: Any, tmp_path: Path, scratch: Path
) -> None:
    (tmp_path / "events.csv").write_bytes(EVENTS)
    made = {}
    for workspace, root in (("here", str(tmp_path)), ("there", "s3://lake/a")):
        for file, content in vectors_file(name).items():
            put(bucket, f"lake/a/{file}", content)
            (tmp_path / file).write_bytes(content)
        preprocess(str(tmp_path / "events.csv"), workspace=tmp_path / workspace, options=PreprocessOptions(name="shop"))
        encode("shop", workspace=tmp_path / workspace, options=EncodeOptions(vectors=(Path(f"{root}/{name}"),)))
        made[workspace] = read_item_vectors(tmp_path / workspace / "shop")
    assert (made["here"].vectors_VC == made["there"].vectors_VC).all()
    recorded = made["there"].files[name]
    assert (recorded.path, recorded.sha256) == (f"s3://lake/a/{name}", made["here"].files[name].sha256)
    # Nothing says that it has changed, and new items are encoded with what lies there.
    folder = tmp_path / "there/shop"
    assert encode_if_stale(folder) is None
    more = EVENTS + b"".join(f"u{n},i8,1700000000\n".encode() for n in range(9))
    (tmp_path / "more.csv").write_bytes(more)
    preprocess(str(tmp_path / "more.csv"), workspace=tmp_path / "there", options=PreprocessOptions(name="shop"))
    done = encode_if_stale(folder)
    assert done is not None
    assert done.items == 8
    assert list(scratch.iterdir()) == []


def test_what_signs_an_address_of_vectors_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(url: str, target: Path, *, expected: Expectation, on_event: object) -> None:
        assert url == f"https://shop.example/v.parquet?sig={CANARY}"
        target.write_bytes(vectors_file("v.parquet")["v.parquet"])

    monkeypatch.setattr(remote_files, "download", serve)
    (tmp_path / "events.csv").write_bytes(EVENTS)
    preprocess(str(tmp_path / "events.csv"), workspace=tmp_path, options=PreprocessOptions(name="shop"))
    place = Path(f"https://shop.example/v.parquet?sig={CANARY}")
    encode("shop", workspace=tmp_path, options=EncodeOptions(vectors=(place,)))
    assert read_item_vectors(tmp_path / "shop").files["v.parquet"].path == "https://shop.example/v.parquet"
    assert not any(CANARY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(UsageError, match=r"two files of vectors are called 'v.parquet'"):
        EncodeOptions(vectors=(place, place))
