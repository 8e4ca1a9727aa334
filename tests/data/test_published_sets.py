"""Each named data set comes with one command: from a server of the tests' own, and as its makers' bytes where they are.

Stand-ins are small files in the same form; their checksums take the place of the real ones.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.named_datasets import load_dataset_spec
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess
from tests.data.publishing import Publisher, publish, publisher, use
from tests.data.table_files import read_bounds, read_sequences
from tests.robustness.processes import typed_here
from tests.tiers import sampled

__all__ = ["publisher"]

RECHORUS = "https://raw.githubusercontent.com/THUwangcy/ReChorus/e58d752558634d42be60de561d6f74df748583cc/data/"


def lines(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def rechorus_files(shared_data: Path) -> dict[str, bytes]:
    """Return the files of ReChorus's repository: two as they are, two rebuilt from what the shared folder keeps."""
    raw = shared_data / "raw" / "rechorus"
    files = {name: (raw / name).read_bytes() for name in ("train.csv", "item_meta.csv")}
    for part in ("dev", "test"):
        rows = pl.read_parquet(shared_data / f"grocery/splits/{part}.parquet").rows()
        texts = [f"{user}\t{item}\t{time}\t{negatives}" for user, item, time, negatives in rows]
        files[f"{part}.csv"] = lines("user_id\titem_id\ttime\tneg_items", *texts)
    return files


def grocery_addresses(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{RECHORUS}Grocery_and_Gourmet_Food/{name}": content for name, content in files.items()}


@pytest.mark.thorough
def test_grocery_comes_from_rechorus_with_its_own_split_and_negatives(
    shared_data: Path, publisher: Publisher, tmp_path: Path
) -> None:
    """The real bytes: the checksums of the data set are those of the files ReChorus publishes."""
    publisher.files |= grocery_addresses(rechorus_files(shared_data))
    done = typed_here(["preprocess", "grocery", "--workspace", tmp_path / "ws"])
    assert done.exit_code == 0, done.stderr
    assert "warning" not in done.stderr
    assert "grocery: 20.3 MB from raw.githubusercontent.com; licence:" in done.stderr
    assert len(publisher.asked) == 4
    made = read_manifest(tmp_path / "ws/grocery")
    counts = made.statistics
    assert (counts["users"], counts["items"], counts["interactions"]) == (14_681, 8_713, 151_254)
    for part, place in (("dev", 1), ("test", 2)):
        targets = pl.read_parquet(shared_data / f"grocery/splits/{part}.parquet")
        ours = read_sequences(tmp_path / "ws/grocery")
        bounds = read_bounds(tmp_path / "ws/grocery")
        theirs = dict(zip(targets["user_id"].cast(pl.String), targets["item_id"].cast(pl.String), strict=True))
        assert {user: items[bounds[user][place - 1]] for user, items in ours.items()} == theirs
    # The table of all interactions gives the same data set.
    whole = preprocess("grocery", workspace=tmp_path / "whole", raw=shared_data)
    assert whole.manifest.sequences_sha256 == made.sequences_sha256
    columns = ["item_index", "item_id", "count", "category"]
    items = [pl.read_parquet(tmp_path / name / "grocery/items.parquet").select(columns) for name in ("ws", "whole")]
    assert items[0].equals(items[1])
    # And the files given by hand are the same ones, asked for nowhere.
    by_hand = typed_here(["preprocess", "grocery", "--workspace", tmp_path / "second", "--json"])
    assert json.loads(by_hand.stdout)["manifest"]["sequences_sha256"] == made.sequences_sha256
    assert len(publisher.asked) == 4


@pytest.mark.thorough
def test_the_published_negatives_have_a_name(shared_data: Path, publisher: Publisher, tmp_path: Path) -> None:
    publisher.files |= grocery_addresses(rechorus_files(shared_data))
    preprocess("grocery", workspace=tmp_path, raw=shared_data)
    line = ["evaluate", "mostpop", "--workspace", tmp_path, "--json", "--negatives"]
    named = typed_here([*line, "grocery:test"])
    assert named.exit_code == 0, named.stderr
    report = json.loads(named.stdout)
    assert report["negatives_source"] == "grocery:test"
    assert len(publisher.asked) == 1
    given = json.loads(typed_here([*line, "grocery:test", "--raw", shared_data]).stdout)
    file = json.loads(typed_here([*line, shared_data / "grocery/splits/test.parquet"]).stdout)
    assert given["metrics"] == report["metrics"] == file["metrics"]
    wrong = typed_here([*line, "grocery:valid"])
    assert "items of test are ranked" in wrong.require_one_error(2)
    assert "--negatives grocery:test" in wrong.stderr
    assert len(publisher.asked) == 1


def test_negatives_that_nobody_published(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preprocess("demo", workspace=tmp_path)
    line = ["evaluate", "mostpop", "--workspace", tmp_path, "--negatives"]
    assert "no published negatives" in typed_here([*line, "demo:test"]).require_one_error(2)
    assert "no published negatives" in typed_here([*line, "grocery:train"]).require_one_error(2)
    assert "does not exist" in typed_here([*line, "shop:test"]).require_one_error(3)
    assert "could not fetch" in typed_here([*line, "grocery:test"]).require_one_error(3)
    monkeypatch.setenv("ADREC_OFFLINE", "1")
    asked = len(publisher.asked)
    assert "no negatives of grocery found" in typed_here([*line, "grocery:test"]).require_one_error(3)
    assert len(publisher.asked) == asked


GROCERY = {
    "train.csv": lines("user_id\titem_id\ttime", "1\t1\t1400000000", "1\t2\t1400086400", "2\t2\t1400000000"),
    "dev.csv": lines("user_id\titem_id\ttime\tneg_items", "1\t3\t1400172800\t[2]", "2\t1\t1400172800\t[3]"),
    "test.csv": lines("user_id\titem_id\ttime\tneg_items", "1\t4\t1400259200\t[2]", "2\t3\t1400259200\t[1]"),
    "item_meta.csv": lines("item_id\ti_category\tr_complement\tr_substitute", "1\t5\t[2]\t[]", "2\t6\t[]\t[1]",
                           "3\t5\t[]\t[]", "4\t5\t[]\t[]"),
}  # fmt: skip
EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}


def standing_in(
    name: str, files: dict[str, bytes], publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    **options: Any,
) -> PreprocessResult:  # fmt: skip
    """Publish stand-ins of a data set's files and preprocess it by its name."""
    spec = publish(load_dataset_spec(name), files, publisher)
    use(spec, monkeypatch)
    return preprocess(name, workspace=tmp_path, options=PreprocessOptions(**options))


def test_grocery_in_small(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = standing_in("grocery", GROCERY, publisher, monkeypatch, tmp_path, **EVERYTHING)
    assert read_sequences(made.folder) == {"1": ["1", "2", "3", "4"], "2": ["2", "1", "3"]}
    assert read_bounds(made.folder) == {"1": (2, 3), "2": (1, 2)}
    assert pl.read_parquet(made.folder / "items.parquet")["category"].to_list() == ["5", "6", "5", "5"]


AUTHORS = "https://raw.githubusercontent.com/Nemo-1024/ADRec/0a30ef764cd85efa44f884a387198e9bf28c7d4c/datasets/data/"
S3REC = "https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/2a81540ae18615d88ef88227b0c066e5b74781e5/data/"


@sampled("name", ["baby", "beauty"], quick=["baby"])
def test_the_authors_cut_is_read_from_their_pickle(
    shared_data: Path, publisher: Publisher, tmp_path: Path, name: str
) -> None:
    """The real bytes, from a server and from a folder, and the same lists as a table of another's making."""
    file = shared_data / "raw/adrec-official" / name / "dataset.pkl"
    publisher.files[f"{AUTHORS}{name}/dataset.pkl"] = file.read_bytes()
    made = [
        preprocess(f"adrec-{name}", workspace=tmp_path / "published"),
        preprocess(f"adrec-{name}", workspace=tmp_path / "by hand", raw=file.parents[1]),
        preprocess(f"adrec-{name}", workspace=tmp_path / "table", raw=shared_data),
    ]
    assert {one.manifest.sequences_sha256 for one in made} == {made[0].manifest.sequences_sha256}
    assert made[0].warnings == []
    assert made[0].manifest.sources[0]["name"] == "dataset.pkl"


def test_s3recs_cut_comes_with_attributes(shared_data: Path, publisher: Publisher, tmp_path: Path) -> None:
    for name in ("Beauty.txt", "Beauty_item2attributes.json"):
        publisher.files[S3REC + name] = (shared_data / "raw/s3rec" / name).read_bytes()
    made = preprocess("amazon-beauty", workspace=tmp_path)
    assert made.warnings == []
    items = pl.read_parquet(made.folder / "items.parquet")
    theirs = json.loads(publisher.files[S3REC + "Beauty_item2attributes.json"])
    ours = dict(zip(items["item_id"].to_list(), items["attributes"].to_list(), strict=True))
    assert ours == {item: [str(one) for one in theirs[item]] for item in ours}


CUT = {"train": [[5, 300], [2, 70_000, 5]], "val": [[2], [1]], "test": [[4], [300]]}


@pytest.mark.parametrize("name", ["baby", "beauty", "toys", "sports", "ml-100k", "yelp"])
def test_an_authors_cut_in_small(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    files = {"dataset.pkl": pickle.dumps(CUT, 4)}
    made = standing_in(f"adrec-{name}", files, publisher, monkeypatch, tmp_path)
    assert publisher.asked == [(f"{AUTHORS}{name}/dataset.pkl", None)]
    assert read_sequences(made.folder) == {"1": ["5", "300", "2", "4"], "2": ["2", "70000", "5", "1", "300"]}
    assert read_bounds(made.folder) == {"1": (2, 3), "2": (3, 4)}
    # What could run something when it is unpickled is refused by name, and fetched again the next time.
    files = {"dataset.pkl": pickle.dumps({"train": print}, 4)}
    with pytest.raises(InputError, match="opcode STACK_GLOBAL"):
        standing_in(f"adrec-{name}", files, publisher, monkeypatch, tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("amazon-beauty", "Beauty"), ("amazon-toys", "Toys_and_Games"), ("amazon-sports", "Sports_and_Outdoors"),
        ("lastfm-s3rec", "LastFM"), ("yelp-s3rec", "Yelp"),
    ],
)  # fmt: skip
def test_an_s3rec_cut_in_small(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, file: str
) -> None:
    files = {
        f"{file}.txt": lines("1 20 10 30", "2 10 7", "3 30 20 9 8"),
        f"{file}_item2attributes.json": b'{"20": [1, 2], "10": [3], "30": [], "99": [4]}',
    }
    made = standing_in(name, files, publisher, monkeypatch, tmp_path)
    assert [url for url, _ in publisher.asked] == [S3REC + file for file in files]
    assert read_sequences(made.folder) == {"1": ["20", "10", "30"], "2": ["10", "7"], "3": ["30", "20", "9", "8"]}
    items = pl.read_parquet(made.folder / "items.parquet")
    found = dict(zip(items["item_id"].to_list(), items["attributes"].to_list(), strict=True))
    assert found == {"20": ["1", "2"], "10": ["3"], "30": [], "7": None, "8": None, "9": None}
