"""The data sets that people reach for, by name: a few invented rows in the form of each, downloaded or laid there."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from adrec_cli.data.named_datasets import (
    dataset_names,
    describe_dataset,
    find_named_source,
    is_named,
    list_parametrized,
    load_dataset_spec,
)
from adrec_cli.errors import UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.data.forms.public_sets import SETS, PublicSet
from tests.data.publishing import Publisher, publish, publisher, use
from tests.data.table_files import read_sequences

__all__ = ["publisher"]

FORMS = {one.name: one for one in SETS}
WITHOUT_CORE = {"min_user_interactions": 0, "min_item_interactions": 0}


@dataclass(frozen=True)
class Named:
    """A named data set, the form its file has, what that file is called, and how it differs from the form's options."""

    name: str
    form: str
    file: str = ""
    variant: str | None = None
    archive: str = ""


NAMED = [
    Named("ml-100k", "MovieLens 100k", archive="ml-100k.zip/ml-100k"),
    Named("ml-1m", "MovieLens 1M", archive="ml-1m.zip/ml-1m"),
    *(Named(f"ml-{size}", "MovieLens 20M", archive=f"ml-{size}.zip/ml-{size}") for size in ("20m", "25m", "32m")),
    Named("ml-latest-small", "MovieLens 20M", archive="ml-latest-small.zip/ml-latest-small"),
    Named("amazon-2018:Books", "Amazon 2018, ratings: the item comes first"),
    Named("amazon-2023:Books", "Amazon 2023, benchmark with history", "Books.csv"),
    Named("steam", "Steam reviews", "steam_reviews.json.gz"),
    Named("yelp", "Yelp"),
    Named("retailrocket", "RetailRocket"),
    Named("yoochoose", "Yoochoose clicks"),
    Named("diginetica", "Diginetica"),
    Named("gowalla", "Gowalla"),
    Named("foursquare:NYC", "Foursquare"),
    Named("hm", "H&M"),
    Named("kuairec", "KuaiRec", "big_matrix.csv"),
    Named("mind", "MIND"),
    Named("otto", "OTTO"),
    Named("tenrec:QB-video", "Tenrec"),
    Named("yambda:50m", "Yambda, flat"),
    Named("bookcrossing", "BookCrossing"),
    Named("goodreads:poetry", "Goodreads, reviews", "goodreads_interactions_poetry.json.gz"),
    Named("taobao", "Taobao, purchases", variant="purchases"),
]


def content_of(form: PublicSet) -> tuple[str, bytes]:
    name, content = next(iter(form.files.items()))
    return name, content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize("one", NAMED, ids=[one.name for one in NAMED])
def test_a_named_set_is_read_as_it_is_published(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one: Named
) -> None:
    form = FORMS[one.form]
    name, content = content_of(form)
    spec = load_dataset_spec(one.name)
    sources = [source for source in spec.sources if (one.file or name) in source.files]
    assert sources, f"{one.name} does not know {one.file or name}"
    sha256 = raw = None
    if sources[0].published:
        files = {one.file or name: content}
        if one.archive:
            archive, _, folder = one.archive.partition("/")
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as made:
                made.writestr(f"{folder}/{name}", content)
                for item in spec.items:
                    if item.members:
                        made.writestr(item.members[0], ITEMS[item.files[0]])
            files = {archive: packed.getvalue()}
        spec = publish(spec, files, publisher)
        use(spec, monkeypatch, one.name)
        sha256 = None if sources[0].published[0].known else "any"
    else:
        raw = tmp_path / "raw"
        (raw / spec.name).mkdir(parents=True)
        (raw / spec.name / (one.file or name)).write_bytes(content)
    options = PreprocessOptions(variant=one.variant, download_sha256=sha256, yes=True, **WITHOUT_CORE)
    made = preprocess(one.name, workspace=tmp_path / "ws", raw=raw, options=options)
    assert read_sequences(made.folder) == form.users
    assert made.manifest.statistics["first_time"] == form.first_time
    assert bool(publisher.asked) == (raw is None)
    assert made.folder.name == one.name.replace(":", "-") + (f"-{one.variant}" if one.variant else "")


ITEMS = {
    "u.item": "10|a|01-Jan-1995||http://x|" + "|".join(["0"] * 18 + ["1"]) + "\n20|b|||" + "|".join(["0"] * 20) + "\n",
    "movies.dat": "10::a::Drama\n20::b::Drama|War\n",
    "movies.csv": "movieId,title,genres\n10,a,Drama\n20,b,Drama|War\n",
}

PROVEN_ELSEWHERE = {
    "demo", "grocery", "adrec-baby", "adrec-beauty", "adrec-toys", "adrec-sports", "adrec-ml-100k", "adrec-yelp",
    "amazon-beauty", "amazon-toys", "amazon-sports", "lastfm-s3rec", "yelp-s3rec",
}  # fmt: skip
AMAZON_2014 = {"baby", "beauty", "sports", "toys", "video-games"}


def test_every_named_set_is_proven() -> None:
    known = {*dataset_names(), *list_parametrized()}
    tested = {one.name.partition(":")[0] for one in NAMED}
    assert known == tested | PROVEN_ELSEWHERE | AMAZON_2014 | {"lastfm", "lastfm-1k"}


@pytest.mark.parametrize("name", sorted(AMAZON_2014))
def test_amazon_2014_in_small(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    form = FORMS["Amazon 2014, JSON"]
    spec = load_dataset_spec(name)
    use(publish(spec, {spec.sources[0].files[0]: content_of(form)[1]}, publisher), monkeypatch, name)
    options = PreprocessOptions(download_sha256="any", **WITHOUT_CORE)
    made = preprocess(name, workspace=tmp_path, options=options)
    assert read_sequences(made.folder) == form.users
    assert len(publisher.asked) == 1


def test_last_fm_in_small(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        rows = "userID\tartistID\ttagID\ttimestamp\n2\t52\t13\t1238536800000\n2\t51\t15\t1238536700000\n"
        made.writestr("user_taggedartists-timestamps.dat", rows)
        made.writestr("artists.dat", "id\tname\turl\tpictureURL\n51\tDuran\thttp://a\t\n52\tMoby\thttp://b\t\n")
    spec = load_dataset_spec("lastfm")
    use(publish(spec, {"hetrec2011-lastfm-2k.zip": packed.getvalue()}, publisher), monkeypatch, "lastfm")
    done = preprocess("lastfm", workspace=tmp_path, options=PreprocessOptions(**WITHOUT_CORE))
    assert read_sequences(done.folder) == {"2": ["51", "52"]}
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "userid-timestamp-artid-artname-traid-traname.tsv").write_bytes(content_of(FORMS["LastFM-1K"])[1])
    done = preprocess("lastfm-1k", workspace=tmp_path, raw=raw, options=PreprocessOptions(**WITHOUT_CORE))
    assert read_sequences(done.folder) == {"user_000001": ["坂本龍一", 'Deep "Dish']}


@pytest.mark.parametrize(
    ("name", "folder", "users", "items", "interactions"),
    [
        ("ml-latest-small", "ml-latest-small", 610, 9724, 100_836),
        # The 5-core of these files as the lab publishes it: a 5-core of a 5-core is itself.
        ("amazon-2023:All_Beauty", "amazon-2023", 253, 356, 2_535),
    ],
)
def test_the_real_bytes_give_the_published_counts(
    shared_data: Path, tmp_path: Path, name: str, folder: str, users: int, items: int, interactions: int
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in (shared_data / "raw" / folder).iterdir():
        (raw / path.name.replace("_5core_rating_only", "")).symlink_to(path)
    done = preprocess(name, workspace=tmp_path / "ws", raw=raw)
    counts = done.manifest.statistics
    assert (counts["users"], counts["items"], counts["interactions"]) == (users, items, interactions)
    assert done.warnings == []


def test_real_files_of_amazon_2018(shared_data: Path, tmp_path: Path) -> None:
    raw = shared_data / "raw" / "amazon-2018"
    for name in ("Gift_Cards", "AMAZON_FASHION", "Magazine_Subscriptions"):
        done = preprocess(f"amazon-2018:{name}", workspace=tmp_path, raw=raw)
        assert done.manifest.dataset == f"amazon-2018-{name}"
        assert done.manifest.statistics["users"] > 50


def test_a_parameter_has_values(tmp_path: Path) -> None:
    assert list_parametrized()["amazon-2023"] == "category"
    assert "amazon-2023" not in dataset_names()
    assert load_dataset_spec("amazon-2023:Books").sources[0].published[0].urls[0].endswith("/Books.csv.gz")
    assert len(load_dataset_spec("amazon-2023:Books").sources[0].published[0].sha256) == 64
    assert "{category}" in describe_dataset("amazon-2023").title
    for wrong in ("amazon-2023:Bokks", "amazon-2023:", "amazon-2023", "amazon-2023:../x"):
        with pytest.raises(UsageError) as caught:
            load_dataset_spec(wrong)
        assert "amazon-2023:All_Beauty" in caught.value.hint
    assert is_named("amazon-2023:Books")
    assert not is_named("amazon-2023")
    assert find_named_source("amazon-2023-Books") == "amazon-2023:Books"
    assert find_named_source("amazon-2023-Bokks") is None
    assert find_named_source("grocery") == "grocery"


@pytest.mark.parametrize("name", sorted(list_parametrized()))
def test_every_value_of_a_parameter_is_whole(name: str) -> None:
    spec = describe_dataset(name)
    assert spec.parameter is not None
    for value in spec.parameter.values:
        filled = load_dataset_spec(f"{name}:{value}")
        assert value in filled.title
        assert filled.name == f"{name}-{value}"
        texts = [filled.title, *(file for form in (*filled.sources, *filled.items) for file in form.files)]
        texts += [url for form in filled.sources for one in form.published for url in one.urls]
        assert not [text for text in texts if "{" in text]
