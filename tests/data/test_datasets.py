"""The TOML files of the named data sets are whole, strict and honest."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.named_datasets import dataset_names, load_dataset_spec, read_dataset_spec
from adrec_cli.data.own_folders import download_folder
from adrec_cli.errors import InputError, UsageError
from adrec_cli.reporting.reproduction import preprocess_command
from tests.robustness.processes import typed_here

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
        assert all(url.startswith("https://") for one in source.published for url in one.urls)
        # A checksum is known for every archive; the files of Amazon come without one.
        assert not source.members or source.published[0].known


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


ABOUT = 'title = "t"\nlicence = "MIT"\ncitation = "c"\nhomepage = "https://example.org"\n'
OWN = ABOUT + '[[sources]]\nfiles = ["events.csv"]\n'


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own descriptions, not there yet."""
    monkeypatch.setenv("ADREC_DATASETS", str(tmp_path / "own"))
    return tmp_path / "own"


def test_a_data_set_of_the_users_own(own_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(OWN)
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu1,a,1600000000\nu1,b,1600000060\n")
    done = typed_here(["datasets", "add", tmp_path / "shop.toml"])
    assert done.exit_code == 0, done.stderr
    assert "adrec preprocess shop" in done.stdout
    assert (own_folder / "shop.toml").read_text() == OWN
    assert "shop" in dataset_names()
    made = typed_here(["preprocess", "shop", "--raw", tmp_path, "--workspace", tmp_path / "ws"])
    assert made.exit_code == 0, made.stderr
    listed = json.loads(typed_here(["datasets", "--json", "--workspace", tmp_path / "ws"]).stdout)["datasets"]
    ours = next(one for one in listed if one["name"] == "shop")
    assert (ours["preprocessed"], ours["files"], ours["licence"]) == (True, "by hand", "MIT")
    hint = typed_here(["preprocess", "shop", "--workspace", tmp_path / "other"]).stderr
    assert "get it from https://example.org" in hint


def test_many_data_sets_of_the_users_own(own_folder: Path, tmp_path: Path) -> None:
    text = OWN.replace("events.csv", "{day}.csv") + "[parameter.values]\nmonday = {}\n"
    (tmp_path / "week.by-day.toml").write_text(text)
    assert typed_here(["datasets", "add", tmp_path / "week.by-day.toml"]).exit_code == 0
    (tmp_path / "monday.csv").write_text("user_id,item_id,timestamp\nu1,a,1600000000\n")
    made = typed_here(["preprocess", "week:monday", "--raw", tmp_path, "--workspace", tmp_path / "ws"])
    assert made.exit_code == 0, made.stderr
    assert (tmp_path / "ws" / "week-monday" / "manifest.json").is_file()
    assert "week:monday" in typed_here(["preprocess", "week:friday"]).stderr


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("grocery.toml", OWN, 2, "adrec has a data set named grocery already"),
        ("amazon-2023.toml", OWN, 2, "adrec has a data set named amazon-2023 already"),
        ("shop.txt", OWN, 2, "does not name a data set"),
        (".toml", OWN, 2, "does not name a data set"),
        ("shop.toml", OWN + "colour = 1\n", 3, "unknown key 'sources.colour'"),
        ("shop.toml", "title = \n", 3, "Invalid value"),
        ("shop.toml", OWN + 'url = "http://example.org/f"\n', 3, "is not https"),
    ],
)
def test_what_is_no_description_is_not_kept(
    own_folder: Path, tmp_path: Path, name: str, text: str, code: int, said: str
) -> None:
    (tmp_path / name).write_text(text)
    assert said in typed_here(["datasets", "add", tmp_path / name]).require_one_error(code)
    assert not own_folder.exists()


def test_a_damaged_description_keeps_no_other_from_being_listed(own_folder: Path) -> None:
    own_folder.mkdir()
    (own_folder / "shop.toml").write_text("title = ")
    listed = typed_here(["datasets"])
    assert listed.exit_code == 0
    assert "shop.toml" in listed.stderr
    assert "grocery" in listed.stdout
    # Nor does one of a name that adrec has itself stand in for that.
    (own_folder / "grocery.toml").write_text(OWN)
    assert load_dataset_spec("grocery").title != "t"


def test_the_list_says_how_files_come(tmp_path: Path) -> None:
    listed = json.loads(typed_here(["datasets", "--json", "--workspace", tmp_path]).stdout)["datasets"]
    found = {one["source"]: (one["files"], one["checked"]) for one in listed}
    assert found["grocery"] == ("download", True)
    assert found["baby"] == ("download, unchecked", False)
    assert found["yelp"] == ("by hand", False)
    assert found["demo"] == ("generated", True)
    assert found["amazon-2023:CATEGORY"] == ("download", False)
    assert next(one["bytes"] for one in listed if one["name"] == "grocery") == 20_298_546
    for part in ("dev", "train", "test"):
        path = download_folder("grocery", tmp_path) / f"{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    listed = json.loads(typed_here(["datasets", "--json", "--workspace", tmp_path]).stdout)["datasets"]
    assert next(one["files"] for one in listed if one["name"] == "grocery") == "cached"


def test_conditions_of_a_data_set_are_kept_and_can_be_taken_back(tmp_path: Path, own_folder: Path) -> None:
    (tmp_path / "shop.toml").write_text(OWN + '[filters]\nwhere = ["kind = buy"]\n')
    typed_here(["datasets", "add", tmp_path / "shop.toml"])
    rows = "".join(f"u1,i{n},{1_600_000_000 + n},{'buy' if n % 2 else 'view'}\n" for n in range(8))
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp,kind\n" + rows)
    line = ["preprocess", "shop", "--raw", tmp_path, "--workspace", tmp_path / "ws", "--json"]
    for flags, count in (([], 4), (["--where", ""], 8), (["--where", "kind = view"], 4)):
        made = json.loads(typed_here([*line, *flags]).stdout)["manifest"]
        assert made["statistics"]["interactions"] == count
        folder = tmp_path / "again"
        again = shlex.split(preprocess_command(read_manifest(tmp_path / "ws/shop"), has_item_file=False))[1:]
        repeated = typed_here([*again, "--raw", tmp_path, "--workspace", folder, "--json"])
        assert json.loads(repeated.stdout)["manifest"]["sequences_sha256"] == made["sequences_sha256"]
