"""Real files with bytes flipped, cut and repeated: they are read, or refused in one line; never anything else."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import polars as pl

from adrec_cli.errors import AdrecError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.schema import SEQUENCES_FILE
from tests.tiers import sampled

FILES = [
    "raw/amazon-2014/Musical_Instruments_5.json.gz",
    "raw/amazon-2014/ratings_Musical_Instruments_5core.derived.csv",
    "raw/amazon-2018/AMAZON_FASHION_5.json.gz",
    "raw/amazon-2018/Gift_Cards_5.json.gz",
    "raw/amazon-2018/Magazine_Subscriptions.csv.gz",
    "raw/amazon-2023/All_Beauty.train.head3000.csv",
    "raw/amazon-2023/All_Beauty_5core_rating_only.csv.gz",
    "raw/diginetica/sample_train-item-views.csv",
    "raw/ml-1m/movies.dat",
    "raw/ml-1m/ratings.exact-users.dat",
    "raw/ml-1m/users.dat",
    "raw/ml-latest-small/movies.csv",
    "raw/ml-latest-small/ratings.csv",
    "raw/recbole/ml-100k/ml-100k.inter",
    "raw/recbole/ml-100k/ml-100k.item",
    "raw/retailrocket-format-SYNTHETIC/events.csv",
    "raw/spark-sample/sample_movielens_ratings.txt",
    "raw/yelp/yelp_academic_dataset_review.json",
    "ml-100k/u.data",
    "ml-100k/u.item",
    "grocery/interactions.parquet",
    "adrec-official/baby/sequences.parquet",
]
HEAD = 40_000
ROUNDS = int(os.environ.get("ADREC_FUZZ_ROUNDS", "12"))


def damage(content: bytes, rng: random.Random) -> bytes:
    """Flip some bytes, cut the end off, repeat a piece, or put in what parsers trip over."""
    damaged = bytearray(content)
    for _ in range(rng.choice((0, 1, 3, 30))):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    for _ in range(rng.choice((0, 0, 1, 4))):
        where = rng.randrange(len(damaged))
        damaged[where:where] = rng.choice(
            (b'"', b"\n", b"\r", b"\0", b",,,,", b"::", b"\xff\xfe", b"{}\n", b'"\n"', b"1e999")
        )
    if rng.random() < 0.3:
        first = rng.randrange(len(damaged))
        damaged += damaged[first : first + 500]
    if rng.random() < 0.5:
        del damaged[rng.randrange(1, len(damaged)) :]
    return bytes(damaged)


def ends_well(source: Path, workspace: Path, policy: str, items: Path | None = None) -> bool:
    """Return whether preprocessing makes the data set it says, or says in one line why not, and what to do."""
    options = PreprocessOptions(on_bad_row=policy, items=items, name="fuzz")  # type: ignore[arg-type]
    try:
        made = preprocess(str(source), workspace=workspace, options=options)
    except AdrecError as error:
        return bool(error.message and "\n" not in error.message and error.hint)
    users = pl.read_parquet(made.folder / SEQUENCES_FILE).height
    return users == made.manifest.statistics["users"] > 0


@sampled("file", FILES, quick=FILES[::6])
def test_damaged_files_become_data_or_one_line(shared_data: Path, tmp_path: Path, file: str) -> None:
    content = (shared_data / file).read_bytes()
    packed = file.endswith(".gz")
    if packed:
        content = gzip.decompress(content)
    binary = file.endswith(".parquet")
    content = content if binary else content[: content.rindex(b"\n", 0, HEAD) + 1]
    rng = random.Random(file)
    for number in range(ROUNDS):
        damaged = damage(content, rng)
        if packed:
            damaged = gzip.compress(damaged, 1)
            if number % 3 == 0:
                damaged = damage(damaged, rng)
        # The real name's ending, but content decides.
        source = tmp_path / f"fuzz{number}-{Path(file).name}"
        source.write_bytes(damaged)
        assert ends_well(source, tmp_path / "ws", ("error", "skip")[number % 2]), source


@sampled(
    "file",
    ["raw/ml-latest-small/movies.csv", "raw/recbole/ml-100k/ml-100k.item"],
    quick=["raw/recbole/ml-100k/ml-100k.item"],
)
def test_damaged_item_files_become_data_or_one_line(shared_data: Path, tmp_path: Path, file: str) -> None:
    interactions = tmp_path / "i.csv"
    interactions.write_text("user_id,item_id,timestamp\nu,1,1400000000\nu,2,1400000001\n")
    content = (shared_data / file).read_bytes()
    content = content[: content.rindex(b"\n", 0, HEAD) + 1]
    rng = random.Random(file)
    for number in range(ROUNDS):
        source = tmp_path / f"fuzz{number}-{Path(file).name}"
        source.write_bytes(damage(content, rng))
        assert ends_well(interactions, tmp_path / "ws", "error", items=source), source
