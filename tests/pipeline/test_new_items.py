"""Items that came after the training: in lists and histories at once, in the next night, and in another catalogue."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import ArtifactError, InterruptedRun, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Histories
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend_with
from adrec_cli.pipeline.recommend_batch import recommend_batch
from adrec_cli.pipeline.train import train, train_next_stage
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY
from tests.robustness.processes import typed_here
from tests.tiers import sampled

GROUPS = 5
ONE_THREAD = Work(options=ComputeOptions(threads=1))
CATEGORIES = EncodeOptions(encoders=("categories=category",))
QUICK = ["--epochs", 6, "--threads", 1, "--batch-size", 32, "--set", "model.hidden_size=16", "--set", "model.heads=2",
         "--set", "model.max_length=8"]  # fmt: skip


def write_groups(folder: Path, items: int, *, seed: int = 0, prefix: str = "i") -> tuple[Path, Path]:
    """Write users who buy within one of five groups of items, and a file that names the group of each item."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(150):
        group = rng.integers(GROUPS)
        for time in range(7):
            item = group + GROUPS * rng.integers(items // GROUPS)
            rows.append({"user_id": f"u{user}", "item_id": f"{prefix}{item}", "timestamp": 1_600_000_000 + time * 3600})
    events, file = folder / "shop.csv", folder / "items.csv"
    pl.DataFrame(rows).write_csv(events)
    pl.DataFrame([{"item_id": f"{prefix}{item}", "title": f"Thing {item}", "category": f"g{item % GROUPS}"}
                  for item in range(items)]).write_csv(file)  # fmt: skip
    return events, file


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a model of each kind of content, and a file of new items, one of which says nothing."""
    folder = tmp_path_factory.mktemp("new")
    events, file = write_groups(folder, 60)
    preprocess(str(events), workspace=folder / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=folder / "ws", options=CATEGORIES)
    for kind in ("none", "init", "sum", "only"):
        model = {"content": kind, "hidden_size": 16, "heads": 2, "max_length": 8}
        stage = {"epochs": 12 if kind != "none" else 1, "learning_rate": 1e-2, "keep": "last"}
        tables = {"model": model, "training": {"batch_size": 32}, "stages": {"train": stage}}
        done = train("shop", model_name="sasrec", workspace=folder / "ws",
                     experiment=ExperimentOptions(overrides=tables), work=ONE_THREAD)  # fmt: skip
        done[-1].path.rename(done[-1].path.with_name(f"{kind}.safetensors"))
    rows = [{"item_id": f"new{n}", "title": f"New {n}", "category": f"g{n}", "colour": "red"} for n in range(GROUPS)]
    rows += [{"item_id": "i3", "title": "", "category": "g3", "colour": ""},
             {"item_id": "mute", "title": "", "category": "g99", "colour": ""}]  # fmt: skip
    pl.DataFrame(rows).write_csv(folder / "products.csv")
    return folder


@pytest.fixture
def shop(source: Path, tmp_path: Path) -> Path:
    shutil.copytree(source / "ws", tmp_path / "ws")
    return tmp_path / "ws"


def opened(workspace: Path, kind: str, new_items: Path | None = None) -> Any:
    checkpoint = str(workspace / f"shop/sasrec/{kind}.safetensors")
    return Opening(
        workspace=workspace, dataset_name="shop", model=checkpoint, device="cpu", threads=1, new_items=new_items
    ).open()


@sampled("kind", ["init", "sum", "only"], quick=["sum"])
def test_new_items_are_recommended_to_those_who_like_their_like(kind: str, source: Path) -> None:
    recommender = opened(source / "ws", kind, source / "products.csv")
    assert (recommender.new_items.added, recommender.new_items.known) == (GROUPS, 1)
    assert recommender.new_items.silent == ("mute",)
    plain = opened(source / "ws", kind)
    for group in range(GROUPS):
        history = [f"i{group + GROUPS * n}" for n in range(4)]
        (found,) = recommend_with(recommender, histories=[history], options=RecommendOptions(k=9, threads=1))
        ids = [item.item_id for item in found.items]
        others = {f"new{n}" for n in range(GROUPS)} - {f"new{group}"}
        assert f"new{group}" in ids, kind
        assert not others & set(ids)
        assert next(item for item in found.items if item.item_id == f"new{group}").title == f"New {group}"
        (before,) = recommend_with(plain, histories=[history], options=RecommendOptions(k=8, threads=1))
        kept = [item for item in found.items if not item.item_id.startswith("new")]
        assert np.allclose([item.score for item in kept], [item.score for item in before.items], atol=1e-4)
        if kind != "only":
            # There, items of a group are alike to the last bit, and so is their order.
            assert [item.item_id for item in kept] == [item.item_id for item in before.items], "all others stay"


@pytest.mark.parametrize("kind", ["init", "sum", "only"])
def test_a_new_item_may_stand_in_a_history(kind: str, source: Path) -> None:
    recommender = opened(source / "ws", kind, source / "products.csv")
    (found,) = recommend_with(recommender, histories=[["new2", "new2"]], options=RecommendOptions(k=8, threads=1))
    assert not found.unknown_items
    groups = [int(item.item_id.removeprefix("i").removeprefix("new")) % GROUPS for item in found.items]
    assert groups.count(2) >= 6


def test_scores_of_new_items_equal_those_made_by_hand(source: Path) -> None:
    recommender = opened(source / "ws", "only", source / "products.csv")
    tensors, _ = load_checkpoint(source / "ws/shop/sasrec/only.safetensors")
    content = recommender.model.item_embedding.content.content_VC[-GROUPS:].float()
    turned = content @ tensors["item_embedding.content.turn_DC"].T + tensors["item_embedding.content.shift_D"]
    deepen = "item_embedding.content.deepen."
    hidden = torch.nn.functional.gelu(turned @ tensors[deepen + "expand.weight"].T + tensors[deepen + "expand.bias"])
    vectors = turned + hidden @ tensors[deepen + "contract.weight"].T + tensors[deepen + "contract.bias"]
    found = recommender.model.item_vectors_VD().detach()
    torch.testing.assert_close(found[-GROUPS:], vectors, atol=1e-5, rtol=1e-5)
    assert not found[0].any()
    history = Histories(items=np.array([1, 2, 3], dtype=np.int32), starts=np.array([0]), ends=np.array([3]))
    ranked, _ = recommender.rank(history, 100, include_seen=True, sampling=FAST_SAMPLING)
    assert sorted(ranked[0].items.tolist()) == list(range(1, recommender.items.height + 1)), "padding is none of them"


def test_ids_alone_say_nothing_of_new_items(source: Path) -> None:
    with pytest.raises(UsageError, match="by their ids alone"):
        opened(source / "ws", "none", source / "products.csv")


def test_encoders_that_are_others_now_are_refused(shop: Path, source: Path) -> None:
    encode("shop", workspace=shop, options=EncodeOptions(encoders=("categories=title",)))
    with pytest.raises(ArtifactError, match="encoded otherwise"):
        opened(shop, "sum", source / "products.csv")
    assert opened(shop, "sum").items.height == 60, "without new items nothing is amiss"


def test_typed_alone_and_for_everybody(source: Path, tmp_path: Path) -> None:
    model = source / "ws/shop/sasrec/only.safetensors"
    common = ["--workspace", source / "ws", "--model", model, "--new-items", source / "products.csv", "--threads", 1]
    done = typed_here(["recommend", "--history", "i0,i5,i10", "-k", 15, *common])
    assert done.exit_code == 0, done.stderr
    assert "new0" in done.stdout
    assert "5 new items may be recommended; known already: 1" in done.stderr.replace("\n", " ")
    assert "1 new item that nothing is known about, such as 'mute'" in done.stderr.replace("\n", " ")
    out = tmp_path / "recs.parquet"
    done = typed_here(["recommend", "--all", "-k", 15, "--out", out, *common])
    assert done.exit_code == 0, done.stderr
    assert {f"new{n}" for n in range(GROUPS)} <= set(pl.read_parquet(out)["item_id"])


def test_a_batch_begins_anew_with_other_new_items(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adrec_cli.pipeline.recommend_batch.CHUNK_USERS", 40)
    products, out = tmp_path / "products.csv", tmp_path / "recs.csv"
    shutil.copy(source / "products.csv", products)
    model = str(source / "ws/shop/sasrec/only.safetensors")

    def batch(new_items: Path | None, **more: Any) -> Any:
        options = RecommendOptions(k=3, threads=1, new_items=new_items)
        output = BatchOutput(path=out)
        return recommend_batch(
            AudienceOptions(all_users=True), output=output, workspace=source / "ws", dataset_name="shop",
            model=model, options=options, **more,
        )  # fmt: skip

    def stop(event: object) -> None:
        raise InterruptedRun("stopped", signal_number=2)

    for change, resumed in ((lambda: None, 40), (lambda: products.write_text(products.read_text()[:-20]), 0)):
        with pytest.raises(InterruptedRun):
            batch(products, on_event=stop)
        change()
        assert batch(products).resumed == resumed


def test_a_night_encodes_what_has_come_and_the_model_before_it_knows_it_already(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    events, file = write_groups(tmp_path, 50)
    run = ["run", "--model", "sasrec", "--workspace", tmp_path / "ws", *QUICK, "--set", "model.content=sum"]
    done = typed_here([*run, events, "--items", file, "--json"])
    assert done.exit_code == 0, done.stderr
    assert [step["name"] for step in json.loads(done.stdout)["steps"]][:2] == ["preprocess", "encode"]
    first = read_item_vectors(tmp_path / "ws/shop")
    later = tmp_path / "later"
    later.mkdir()
    write_groups(later, 60, seed=1)
    done = typed_here(["preprocess", later / "shop.csv", "--items", later / "items.csv", "--update", "shop",
                       "--workspace", tmp_path / "ws"])  # fmt: skip
    assert done.exit_code == 0, done.stderr
    # Before it is trained again: what the data set has got since is known by its content.
    recommender = Opening(
        workspace=tmp_path / "ws", dataset_name="shop", model="sasrec", device="cpu", threads=1
    ).open()
    assert recommender.items.height == 60
    assert recommender.unknown_items == 0
    (found,) = recommend_with(recommender, histories=[["i50", "i55"]], options=RecommendOptions(k=5, threads=1))
    assert not found.unknown_items
    done = typed_here([*run, later / "shop.csv", "--items", later / "items.csv", "--update", "shop", "--json"])
    assert done.exit_code in (0, 8), done.stderr
    second = read_item_vectors(tmp_path / "ws/shop")
    assert second.vectors_VC.shape == (60, first.vectors_VC.shape[1])
    assert second.encoders_sha256 == first.encoders_sha256, "later items lie in the same space"


def test_files_of_vectors_are_found_again_or_asked_for(tmp_path: Path) -> None:
    events, file = write_groups(tmp_path, 50)
    ids = [f"i{n}" for n in range(60)]
    vectors = tmp_path / "clip.parquet"
    pl.DataFrame({"item_id": ids, "vector": np.eye(60, 8).tolist()}).write_parquet(vectors)
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=tmp_path / "ws", options=EncodeOptions(vectors=(vectors,)))
    again = ["encode", "shop", "--like", "shop", "--workspace", tmp_path / "ws"]
    assert typed_here(again).exit_code == 0
    assert read_item_vectors(tmp_path / "ws/shop").vectors_VC.any()
    vectors.unlink()
    done = typed_here(again)
    assert "is no longer there" in done.require_one_error(3)
    assert "--vectors clip.parquet" in done.stderr


@pytest.mark.parametrize("kind", ["init", "sum"])
def test_given_vectors_of_items_that_came_since_are_those_that_are_stored(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in no column of the items, so that nothing but what is stored can say them."""
    events, file = write_groups(tmp_path, 50)
    vectors, rng = tmp_path / "clip.parquet", np.random.default_rng(0)
    given = rng.normal(size=(60, 8))
    pl.DataFrame({"item_id": [f"i{n}" for n in range(60)], "vector": given.tolist()}).write_parquet(vectors)
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=tmp_path / "ws", options=replace(CATEGORIES, vectors=(vectors,)))
    done = typed_here(["run", events, "--items", file, "--model", "sasrec", "--workspace", tmp_path / "ws", *QUICK,
                       "--set", f"model.content={kind}"])  # fmt: skip
    assert done.exit_code == 0, done.stderr
    later = tmp_path / "later"
    later.mkdir()
    events, file = write_groups(later, 60, seed=1)
    preprocess(
        str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file, update=tmp_path / "ws/shop")
    )
    # Until they are encoded, columns alone tell of new items; those that were there before keep what is stored.
    before = Opening(workspace=tmp_path / "ws", dataset_name="shop", model="sasrec", device="cpu", threads=1).open()
    assert before.items["item_id"].to_list()[50:] == before.items.filter(pl.col("count") == 0)["item_id"].to_list()
    encode("shop", workspace=tmp_path / "ws", options=EncodeOptions(like="shop"))

    def refuse(*_: object) -> None:
        raise AssertionError("all that is asked for is stored")

    monkeypatch.setattr("adrec_cli.loading.item_content.encode_items", refuse)
    recommender = Opening(
        workspace=tmp_path / "ws", dataset_name="shop", model="sasrec", device="cpu", threads=1
    ).open()
    assert recommender.items.height == 60
    stored = read_item_vectors(tmp_path / "ws/shop").vectors_VC
    ids = pl.read_parquet(tmp_path / "ws/shop/items.parquet")["item_id"].to_list()
    expected = torch.from_numpy(stored[[ids.index(one) for one in recommender.items["item_id"]]])
    assert expected[50:, -8:].any(dim=1).all(), "the vectors of the file are there"
    table = recommender.model.item_embedding
    if kind == "sum":
        assert torch.equal(table.content.content_VC[1:], expected)
    own = table.weight.detach()[1:].double()
    # Plain ridge regression, with a constant that is not shrunk.
    inputs, wanted = expected[:50].double(), own[:50]
    centred = inputs - inputs.mean(dim=0)
    tied = torch.cat([centred, torch.eye(centred.shape[1], dtype=torch.float64)])
    answers = torch.cat([wanted - wanted.mean(dim=0), torch.zeros(centred.shape[1], own.shape[1], dtype=torch.float64)])
    solved = torch.linalg.lstsq(tied, answers).solution
    predicted = (expected[50:].double() - inputs.mean(dim=0)) @ solved + wanted.mean(dim=0)
    torch.testing.assert_close(own[50:], predicted, atol=1e-5, rtol=1e-4)


@pytest.mark.thorough
def test_a_model_of_content_alone_goes_to_another_catalogue(tmp_path: Path) -> None:
    for name, prefix, items in (("one", "i", 50), ("two", "x", 40)):
        folder = tmp_path / name
        folder.mkdir()
        events, file = write_groups(folder, items, prefix=prefix, seed=items)
        preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file, name=name))
    encode("one", workspace=tmp_path / "ws", options=CATEGORIES)
    tables = {**TINY, "model": {**TINY["model"], "content": "only"}}
    last = train("one", workspace=tmp_path / "ws", experiment=ExperimentOptions(overrides=tables),
                 work=ONE_THREAD)[-1]  # fmt: skip
    going = ["finetune", "--from", last.path, "--dataset", "two", "--workspace", tmp_path / "ws", "--epochs", 1,
             "--threads", 1]  # fmt: skip
    assert "does not exist" in typed_here(going).require_one_error(4)
    encode("two", workspace=tmp_path / "ws", options=CATEGORIES)
    done = typed_here(going)
    if read_item_vectors(tmp_path / "ws/two").encoders_sha256 != read_item_vectors(tmp_path / "ws/one").encoders_sha256:
        assert "other encoders" in done.require_one_error(4)
        assert "adrec encode two --like one" in done.stderr
    encode("two", workspace=tmp_path / "ws", options=EncodeOptions(like="one"))
    done = typed_here(going)
    assert done.exit_code == 0, done.stderr
    made = tmp_path / "ws/two/adrec/finetune.safetensors"
    tensors, metadata = load_checkpoint(made)
    assert metadata.dataset == "two"
    assert metadata.item_count == 40
    before = load_checkpoint(last.path)[0]["item_embedding.content.turn_DC"]
    assert (tensors["item_embedding.content.turn_DC"] - before).abs().max() < 0.1, "it went on from there"
    done = typed_here(["recommend", "--history", "x0,x5", "--dataset", "two", "--workspace", tmp_path / "ws", "-k", 3])
    assert done.exit_code == 0, done.stderr
    # A model that has vectors for ids stays at home.
    sums = train("one", workspace=tmp_path / "ws", work=ONE_THREAD, experiment=ExperimentOptions(
        overrides={**TINY, "model": {**TINY["model"], "content": "sum"}}))[-1]  # fmt: skip
    with pytest.raises(ArtifactError, match="other items"):
        train_next_stage("finetune", parent=str(sums.path), workspace=tmp_path / "ws", dataset_name="two")


def test_a_server_takes_them_when_they_change_and_keeps_them_when_they_cannot_be_read(
    shop: Path, source: Path, tmp_path: Path
) -> None:
    pytest.importorskip("starlette", reason="the extra serve is not installed")
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    from adrec_cli.pipeline.serve import make_server
    from adrec_cli.serving.options import ServeOptions

    products, told = tmp_path / "products.csv", []
    lines = (source / "products.csv").read_text().splitlines(keepends=True)
    products.write_text("".join(lines[:2]))
    server = make_server(
        workspace=shop, dataset_name="shop", model=str(shop / "shop/sasrec/sum.safetensors"),
        options=ServeOptions(threads=1, device="cpu", new_items=products), on_reload=lambda *said: told.append(said),
    )  # fmt: skip

    def recommended() -> set[str]:
        histories = [[f"i{group + GROUPS * n}" for n in range(4)] for group in range(GROUPS)]
        found = recommend_with(server.model.recommender, histories=histories, options=RecommendOptions(k=9, threads=1))
        return {item.item_id for one in found for item in one.items if item.item_id.startswith("new")}

    assert recommended() == {"new0"}
    asyncio.run(server.watch.look())
    assert not told, "nothing has changed"
    products.write_text("".join(lines))
    asyncio.run(server.watch.look())
    assert recommended() == {f"new{n}" for n in range(GROUPS)}
    products.write_text("no table\n")
    asyncio.run(server.watch.look())
    assert server.watch.stale
    assert recommended() == {f"new{n}" for n in range(GROUPS)}
    products.unlink()
    asyncio.run(server.watch.look())
    assert not server.watch.stale
    assert [bool(error) for _, error in told] == [False, True]


def test_no_file_that_is_read_is_written_over(shop: Path, source: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("item_id\ni1\ni2\n")
    products = Path(shutil.copy(source / "products.csv", tmp_path))
    for read in ({"new_items": products}, {"choice": ItemChoice(candidates=ids)}, {"choice": ItemChoice(excluded=ids)}):
        options = RecommendOptions(threads=1, **read)
        (path,) = options.files()
        before = path.read_bytes()
        with pytest.raises(UsageError):
            recommend_batch(AudienceOptions(all_users=True), output=BatchOutput(path=path), workspace=shop,
                            model=str(shop / "shop/sasrec/sum.safetensors"), options=options)  # fmt: skip
        assert path.read_bytes() == before
