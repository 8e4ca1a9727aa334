"""`adrec encode`: the artifact, vectors from elsewhere, and what is refused."""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from adrec_cli.artifacts.item_vectors import ids_sha256, read_item_vectors, read_item_vectors_header, write_item_vectors
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.content.encoding import encode_if_stale
from adrec_cli.content.options import EncodeOptions
from adrec_cli.content.records import restore_encoders
from adrec_cli.errors import AdrecError, ArtifactError, InputError, UsageError
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.conftest import write_interactions
from tests.robustness.processes import typed_here

IDS = [f"i{n}" for n in range(40)]
CATEGORIES = EncodeOptions(encoders=("categories=category",))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace with a data set whose items have titles, categories and prices, and one has nothing."""
    write_interactions(tmp_path / "shop.csv")
    rows = [{"item_id": one, "title": f"Thing {n % 5} of kind {n % 3}", "category": f"c{n % 3}|d{n % 5}", "price": n}
            for n, one in enumerate(IDS) if n != 7]  # fmt: skip
    pl.DataFrame(rows).write_csv(tmp_path / "items.csv")
    options = PreprocessOptions(items=tmp_path / "items.csv")
    preprocess(str(tmp_path / "shop.csv"), workspace=tmp_path / "ws", options=options)
    return tmp_path / "ws"


def test_the_same_items_give_the_same_bytes_and_what_is_written_is_read(shop: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    done = encode(workspace=shop)
    before = done.path.read_bytes()
    assert encode(workspace=shop).path.read_bytes() == before
    vectors = read_item_vectors(shop / "shop")
    items = pl.read_parquet(shop / "shop/items.parquet")
    assert vectors.ids_sha256 == ids_sha256(items["item_id"])
    assert vectors.vectors_VC.shape == (items.height, done.width)
    assert [part.encoder for part in done.encoders] == ["tfidf", "categories", "numbers"]
    assert [part.silent for part in done.encoders] == [1, 1, 1]
    assert done.silent == 1
    assert not vectors.vectors_VC[items["item_id"].to_list().index("i7")].any()
    # What was fitted makes the same of the same items.
    again = np.concatenate([one.encode(items) for one in restore_encoders(vectors.encoders)], axis=1)
    assert np.array_equal(again.astype(np.float16), vectors.vectors_VC)


def test_it_says_what_it_assumed_and_what_is_missing(shop: Path) -> None:
    done = typed_here(["encode", "--workspace", shop, "--encoder", "categories"])
    assert done.exit_code == 0, done.stderr
    assert "1 of 40 items has no value in category" in done.stderr.replace("\n", " ")
    assert "categories of category (8)" in done.stdout
    done = typed_here(["encode", "--workspace", shop, "--encoder", "categories", "--json"])
    assert json.loads(done.stdout)["encoders"] == [
        {"encoder": "categories", "columns": ["category"], "width": 8, "silent": 1}
    ]


def test_without_columns_and_without_the_extra(shop: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = typed_here(["encode", "--workspace", workspace]).require_one_error(3)
    assert "no column that says something" in error
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction", None)
    done = typed_here(["encode", "--workspace", shop])
    assert done.require_one_error(2) == "error: tfidf needs scikit-learn"
    assert "pip install 'adrec-cli[text]'" in done.stderr


def write_vectors(path: Path, ids: list[str], vectors: Any) -> Path:
    """Write vectors in the form that the name of a file says."""
    if path.suffix == ".parquet":
        pl.DataFrame({"item_id": ids, "vector": [list(map(float, row)) for row in vectors]}).write_parquet(path)
    elif path.suffix == ".npy":
        np.save(path, vectors)
        path.with_name(f"{path.stem}.ids.txt").write_text("\n".join(ids) + "\n")
    else:
        save_file({"x": np.asarray(vectors, dtype=np.float32)}, path, metadata={"ids": json.dumps(ids)})
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".safetensors"])
def test_vectors_from_elsewhere_are_matched_by_id(suffix: str, shop: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    order = rng.permutation(len(IDS))[:-2]
    vectors = rng.normal(size=(len(order), 6)) * 1e30
    path = write_vectors(tmp_path / f"clip{suffix}", [*(IDS[n] for n in order), "stranger"], [*vectors, np.ones(6)])
    done = encode(workspace=shop, options=EncodeOptions(vectors=(path,), encoders=("categories",)))
    assert [(part.encoder, part.columns, part.width) for part in done.encoders] == [
        ("categories", ("category",), 8), ("vectors", (path.name,), 6)
    ]  # fmt: skip
    assert done.encoders[1].silent == 2
    assert any("1 of its ids" in text for text in done.warnings)
    items = pl.read_parquet(shop / "shop/items.parquet")["item_id"].to_list()
    found = read_item_vectors(shop / "shop").vectors_VC[:, 8:]
    for row, n in enumerate(order):
        expected = vectors[row] / np.linalg.norm(vectors[row])
        assert np.allclose(found[items.index(IDS[n])], expected, atol=1e-3)


def nan_at(row: int) -> Any:
    vectors = np.ones((40, 3))
    vectors[row, 1] = np.nan
    return vectors


@pytest.mark.parametrize(
    ("ids", "vectors", "said"),
    [
        (IDS, nan_at(5), "'i5' has values that are no finite"),
        (IDS[:-1], np.ones((40, 3)), "39 ids for 40 vectors"),
        (["i1", *IDS[1:]], np.ones((40, 3)), "is repeated, such as 'i1'"),
        ([f"x{n}" for n in range(40)], np.ones((40, 3)), "none of its ids"),
        (IDS, np.ones(40), "expected rows"),
        (IDS, np.ones((40, 5000)), "expected rows"),
        (IDS, np.array([[object()]] * 40, dtype=object), "cannot be read"),
    ],
)  # fmt: skip
def test_vectors_that_are_none_are_refused(ids: list[str], vectors: Any, said: str, shop: Path, tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "clip.npy", ids, vectors)
    with pytest.raises(InputError, match=said):
        encode(workspace=shop, options=EncodeOptions(vectors=(path,)))


def test_headers_that_claim_ten_gigabytes_are_refused(shop: Path, tmp_path: Path) -> None:
    huge = tmp_path / "a.npy"
    np.save(huge, np.ones((40, 3)))
    huge.write_bytes(huge.read_bytes().replace(b"(40, 3), ", b"(10**9,3)"[:9]))
    (tmp_path / "a.ids.txt").write_text("\n".join(IDS))
    claims = tmp_path / "b.npy"
    with open(claims, "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 9)}
        np.lib.format.write_array_header_1_0(file, header)
    (tmp_path / "b.ids.txt").write_text("\n".join(IDS))
    tensors = tmp_path / "c.safetensors"
    tensors.write_bytes(struct.pack("<Q", 10 * 2**30) + b"{}")
    for path in (huge, claims, tensors):
        with pytest.raises(InputError, match=path.name):
            encode(workspace=shop, options=EncodeOptions(vectors=(path,)))


def test_ids_are_never_taken_from_the_order(shop: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.ones((40, 3)))
    with pytest.raises(InputError, match="whose its rows are") as caught:
        encode(workspace=shop, options=EncodeOptions(vectors=(tmp_path / "clip.npy",)))
    assert "clip.ids.txt" in caught.value.hint


def test_vectors_that_nobody_can_have_written_are_refused(shop: Path) -> None:
    encode(workspace=shop, options=CATEGORIES)
    folder, whole = shop / "shop", read_item_vectors(shop / "shop")
    record = whole.encoders[0]
    odd = [
        (replace(whole, vectors_VC=whole.vectors_VC * np.float16("nan")), "no numbers"),
        (replace(whole, vectors_VC=whole.vectors_VC * np.float16(3)), "beyond 1"),
        (replace(whole, vectors_VC=whole.vectors_VC.astype(np.float32)), "float16"),
        (replace(whole, vectors_VC=whole.vectors_VC[:, :-1]), "expected float16 of width 8"),
        (replace(whole, encoders=()), "no list"),
        (replace(whole, encoders=(replace(record, width=-1),)), "width"),
        (replace(whole, ids_sha256="x"), "ids_sha256"),
    ]
    for vectors, said in odd:
        write_item_vectors(folder, vectors)  # type: ignore[arg-type]
        with pytest.raises(ArtifactError, match=said) as caught:
            read_item_vectors(folder)
        assert "adrec encode shop" in caught.value.hint
    with pytest.raises(ArtifactError, match="encoder 'categories'"):
        restore_encoders([replace(record, arrays={})])


def test_any_changed_byte_is_refused_or_changes_nothing(shop: Path) -> None:
    path = encode(workspace=shop, options=CATEGORIES).path
    whole = path.read_bytes()
    expected = read_item_vectors(shop / "shop")
    for place in [*range(12), *range(12, len(whole), 97)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = read_item_vectors(shop / "shop")
        except AdrecError as error:
            assert error.exit_code == 4
        else:
            assert np.array_equal(found.vectors_VC, expected.vectors_VC)
    path.write_bytes(struct.pack("<Q", 10 * 2**30) + whole[8:])
    with pytest.raises(ArtifactError, match="damaged"):
        read_item_vectors(shop / "shop")


def test_another_data_set_is_encoded_alike(shop: Path, tmp_path: Path) -> None:
    encode("shop", workspace=shop, options=CATEGORIES)
    write_interactions(tmp_path / "other.csv", items=12, seed=5)
    pl.DataFrame({"item_id": IDS[:12], "category": [f"c{n % 3}|new" for n in range(12)]}).write_csv(tmp_path / "o.csv")
    options = PreprocessOptions(items=tmp_path / "o.csv")
    preprocess(str(tmp_path / "other.csv"), workspace=shop, options=options)
    encode("other", workspace=shop, options=EncodeOptions(like="shop"))
    ours, theirs = read_item_vectors(shop / "other"), read_item_vectors(shop / "shop")
    assert ours.encoders_sha256 == theirs.encoders_sha256
    assert ours.ids_sha256 != theirs.ids_sha256
    assert (ours.vectors_VC.any(axis=1)).all()
    with pytest.raises(UsageError, match="taken as they are"):
        EncodeOptions(like="shop", encoders=("categories",))


@pytest.mark.parametrize("other", ["other", "shopping"])
def test_files_of_vectors_are_of_the_items_that_they_were_given_for(other: str, shop: Path, tmp_path: Path) -> None:
    """Encoded alike, another data set reads its own, whatever it is called; the data set itself reads them again."""
    write_vectors(tmp_path / "clip.npy", IDS, np.eye(len(IDS)))
    encode("shop", workspace=shop, options=replace(CATEGORIES, vectors=(tmp_path / "clip.npy",)))
    write_interactions(tmp_path / f"{other}.csv", items=12, seed=5)
    preprocess(str(tmp_path / f"{other}.csv"), workspace=shop)
    with pytest.raises(ArtifactError, match=r"clip\.npy, of which these items have nothing"):
        encode(other, workspace=shop, options=EncodeOptions(like="shop"))
    encode("shop", workspace=shop, options=EncodeOptions(like="shop"))
    assert [Path(name).name for name in read_item_vectors(shop / "shop").files] == ["clip.npy"]


@pytest.mark.parametrize("kind", ["no vectors", "one dimension", "of a checkpoint", "empty", "text"])
def test_a_file_of_something_else_is_named_by_all_who_read_it(kind: str, shop: Path) -> None:
    encode(workspace=shop, options=CATEGORIES)
    folder = shop / "shop"
    path = folder / "items.vectors.safetensors"
    assert verdict_of(path.name, shop, exit_code=0)["status"] == "whole"
    with safe_open(path, "np") as file:
        text, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if kind == "no vectors":
        save_file({name: one for name, one in tensors.items() if name != "vectors"} | {"x": np.zeros(1)}, path, text)
    elif kind == "one dimension":
        save_file({name: one.ravel() for name, one in tensors.items()}, path, text)
    elif kind == "of a checkpoint":
        save_file(tensors, path, {"format_version": "1", "model": "sasrec"})
    else:
        path.write_bytes(b"" if kind == "empty" else b"item_id,vector\n")
    for read in (read_item_vectors, read_item_vectors_header):
        with pytest.raises(ArtifactError):
            read(folder)
    found = verdict_of(path.name, shop, exit_code=4)
    assert found["status"] == "damaged"
    # As it was asked for, where that can still be read.
    known = " --encoder categories=category --width 128" * (kind in ("no vectors", "one dimension"))
    assert found["repair"] == f"adrec encode shop{known} --workspace {shop}"


def test_vectors_of_other_items_are_out_of_date(shop: Path, tmp_path: Path) -> None:
    encode(workspace=shop, options=CATEGORIES)
    write_interactions(tmp_path / "more.csv", users=50, seed=7)
    preprocess(str(tmp_path / "more.csv"), workspace=shop, options=PreprocessOptions(update=shop / "shop"))
    assert verdict_of("items.vectors.safetensors", shop, exit_code=0)["status"] == "out of date"


COOCCURRENCE = EncodeOptions(encoders=("cooccurrence",))


def test_train_events_are_read_and_later_ones_in_the_same_space(shop: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    done = encode(workspace=shop, options=COOCCURRENCE)
    assert [(part.encoder, part.columns) for part in done.encoders] == [("cooccurrence", ("train events",))]
    before = done.path.read_bytes()
    assert encode(workspace=shop, options=COOCCURRENCE).path.read_bytes() == before
    assert encode_if_stale(shop / "shop") is None
    encoders = read_item_vectors_header(shop / "shop").encoders_sha256
    pl.DataFrame({"user_id": ["u1", "u1"], "item_id": ["i3", "i9"], "timestamp": [10**9, 10**9 + 1]}).write_csv(
        tmp_path / "more.csv"
    )
    preprocess(str(tmp_path / "more.csv"), workspace=shop, options=PreprocessOptions(update=shop / "shop"))
    assert encode_if_stale(shop / "shop") is not None
    assert read_item_vectors_header(shop / "shop").encoders_sha256 == encoders
    assert (shop / "shop/items.vectors.safetensors").read_bytes() != before
    assert encode_if_stale(shop / "shop") is None


def test_encoders_of_columns_are_not_out_of_date_with_events(shop: Path) -> None:
    encode(workspace=shop, options=CATEGORIES)
    assert "sequences_sha256" not in read_text(shop / "shop")
    assert read_item_vectors_header(shop / "shop").sequences_sha256 == ""


def read_text(folder: Path) -> dict[str, str]:
    """Return the metadata of a file of item vectors."""
    with open_tensors(folder / "items.vectors.safetensors") as file:
        return dict(file.text)


def test_cooccurrence_reads_no_columns_and_none_may_be_called_as_it_is(shop: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    done = typed_here(["encode", "--workspace", shop, "--encoder", "cooccurrence=title"])
    assert done.require_one_error(2) == "error: cooccurrence reads train events, no columns, got 'title'"
    pl.DataFrame({"item_id": IDS, "train events": IDS}).write_csv(tmp_path / "named.csv")
    options = PreprocessOptions(items=tmp_path / "named.csv", name="named")
    preprocess(str(tmp_path / "shop.csv"), workspace=shop, options=options)
    with pytest.raises(UsageError, match="have a column 'train events'"):
        encode("named", workspace=shop, options=COOCCURRENCE)


def test_files_that_would_not_be_read_or_be_read_twice_are_refused(shop: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_vectors(tmp_path / folder / "clip.npy", IDS, np.eye(len(IDS)))
    with pytest.raises(UsageError, match=r"two files of vectors are called 'clip\.npy'"):
        EncodeOptions(vectors=(tmp_path / "a/clip.npy", tmp_path / "b/clip.npy"))
    encode(workspace=shop, options=CATEGORIES)
    with pytest.raises(UsageError, match=r"read no file of vectors called 'clip\.npy'"):
        encode(workspace=shop, options=EncodeOptions(like="shop", vectors=(tmp_path / "a/clip.npy",)))
    with pytest.raises(UsageError, match="widths"):
        EncodeOptions(like="shop", width=3)


def rewrite_files_as_paths(folder: Path) -> None:
    """Write of each file of vectors its path alone, as adrec 0.2.0 did."""
    path = folder / "items.vectors.safetensors"
    with open_tensors(path) as file:
        tensors, text = file.load()[0], dict(file.text)
    text["files"] = json.dumps({name: one["path"] for name, one in json.loads(text["files"]).items()})
    write_tensors(path, tensors, text)


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".safetensors"])
def test_a_file_of_vectors_that_was_written_again_is_encoded_again(suffix: str, shop: Path, tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(4), shop / "shop"
    path = write_vectors(tmp_path / f"clip{suffix}", IDS, rng.normal(size=(40, 6)))
    encode(workspace=shop, options=EncodeOptions(vectors=(path,), encoders=("categories",)))
    assert encode_if_stale(folder) is None
    write_vectors(path, IDS, rng.normal(size=(40, 6)))
    again = verdict_of("items.vectors.safetensors", shop, exit_code=0)["repair"]
    assert again == f"adrec encode shop --like shop --workspace {shop}"
    assert encode_if_stale(folder) is not None
    again = read_item_vectors(folder)
    encode(workspace=shop, options=EncodeOptions(vectors=(path,), encoders=("categories",)))
    assert np.array_equal(again.vectors_VC, read_item_vectors(folder).vectors_VC)
    assert verdict_of("items.vectors.safetensors", shop, exit_code=0)["status"] == "whole"
    assert encode_if_stale(folder) is None
    path.unlink()
    assert encode_if_stale(folder) is None, "there is nothing to encode again"


def test_other_ids_beside_a_file_of_vectors_are_a_change(shop: Path, tmp_path: Path) -> None:
    folder = shop / "shop"
    path = write_vectors(tmp_path / "clip.npy", IDS, np.eye(40))
    encode(workspace=shop, options=EncodeOptions(vectors=(path,)))
    before = read_item_vectors(folder).vectors_VC
    write_vectors(path, IDS[::-1], np.eye(40))
    assert encode_if_stale(folder) is not None
    assert not np.array_equal(read_item_vectors(folder).vectors_VC, before)
    (tmp_path / "clip.ids.txt").unlink()
    assert encode_if_stale(folder) is None


def test_where_hashes_of_files_were_not_written_they_are_encoded_once_more(shop: Path, tmp_path: Path) -> None:
    folder = shop / "shop"
    paths = tuple(write_vectors(tmp_path / f"{name}.npy", IDS, np.eye(40)) for name in ("clip", "text"))
    encode(workspace=shop, options=EncodeOptions(vectors=paths))
    whole = read_item_vectors(folder)
    rewrite_files_as_paths(folder)
    assert [file.sha256 for file in read_item_vectors_header(folder).files.values()] == ["", ""]
    assert encode_if_stale(folder) is not None
    again = read_item_vectors(folder)
    assert (again.files, again.vectors_sha256) == (whole.files, whole.vectors_sha256)
    assert encode_if_stale(folder) is None
    rewrite_files_as_paths(folder)
    paths[1].unlink()
    assert encode_if_stale(folder) is None, "nothing says that anything has changed, and it cannot be encoded"


@pytest.mark.parametrize("files", [[], {"a": 1}, {"a": {"path": 1}}, {"a": {"path": "a", "sha256": "x"}}, {"a": {}},
                                   {"a": {"path": "a", "size": 1}}])  # fmt: skip
def test_files_that_nobody_can_have_written_are_refused(files: Any, shop: Path) -> None:
    path = encode(workspace=shop, options=CATEGORIES).path
    with open_tensors(path) as file:
        tensors, text = file.load()[0], dict(file.text)
    write_tensors(path, tensors, text | {"files": json.dumps(files)})
    for read in (read_item_vectors, read_item_vectors_header):
        with pytest.raises(ArtifactError, match="damaged"):
            read(shop / "shop")


def verdict_of(name: str, workspace: Path, exit_code: int) -> dict[str, str]:
    """Return what `adrec verify` says of a file."""
    done = typed_here(["verify", "--workspace", workspace, "--json"])
    assert done.exit_code == exit_code, done.stderr
    found: dict[str, str] = next(one for one in json.loads(done.stdout)["verdicts"] if one["path"].endswith(name))
    return found
