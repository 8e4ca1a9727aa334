"""The TOML files of the named data sets are whole, strict and honest."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.data.datasets import dataset_names, load_dataset_spec, read_dataset_spec
from adrec_cli.errors import InputError, UsageError

MINIMAL = 'title = "t"\nlicence = "l"\ncitation = "c"\n[[sources]]\nfiles = ["f.csv"]\n'


def test_the_named_data_sets_are_there() -> None:
    assert set(dataset_names()) >= {
        "demo", "grocery", "baby", "beauty", "sports", "toys", "video-games", "ml-100k", "ml-1m", "ml-20m", "yelp",
        "lastfm", "steam", "adrec-baby", "adrec-beauty", "amazon-beauty",
    }  # fmt: skip


@pytest.mark.parametrize("name", dataset_names())
def test_every_data_set_says_where_it_comes_from(name: str) -> None:
    spec = load_dataset_spec(name)
    assert spec.title
    assert spec.licence
    assert spec.citation
    assert spec.generated or spec.homepage.startswith("https://")
    assert spec.expected.users is None or spec.expected.source
    for source in spec.sources:
        assert source.url == "" or source.url.startswith("https://")
        # A checksum is known for every archive; the files of Amazon come without one.
        assert source.sha256 or not source.members


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        load_dataset_spec("netflix")
    assert "grocery" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "colour = 1\n", "unknown key 'sources.colour'"),
        ('colour = "red"\n' + MINIMAL, "unknown key 'colour'"),
        (MINIMAL.replace('citation = "c"\n', ""), "missing key 'citation'"),
        (MINIMAL + "[filters]\nties = 'random'\n", "filters.ties is 'random', expected one of source, item"),
        (MINIMAL + "[filters]\nmin_rating = 'four'\n", "filters.min_rating is 'four', expected float"),
        (MINIMAL + "[expected]\nusers = 1.5\n", "expected.users is 1.5, expected int"),
        (MINIMAL.replace('["f.csv"]', '"f.csv"'), "sources.files is 'f.csv', expected a list"),
        (MINIMAL + 'url = "http://example.org/f"\n', "is not https"),
        (MINIMAL + 'sha256 = "abc"\n', "has not 64 digits"),
        (MINIMAL + 'parts = ["train", "dev"]\n', "differ in length"),
        (MINIMAL + "[variants.x.filters]\nk = 5\n", "unknown key 'variants.x.filters.k'"),
        (MINIMAL.split("[[")[0], "there is no [[sources]]"),
        ("title = \n", "Invalid value"),
    ],
)
def test_a_bad_toml_is_refused_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_dataset_spec(path)
    assert said in caught.value.message


def test_training_options_are_left_to_their_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(MINIMAL + "[recipe]\nepochs = 3\n[recipe.adrec]\nanything = true\n")
    assert read_dataset_spec(path).recipe == {"epochs": 3, "adrec": {"anything": True}}
