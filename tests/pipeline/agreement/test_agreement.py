"""Every way to ask a model gives what scoring and sorting all items for one history at a time gives."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.api.recommender import LoadedRecommender
from adrec_cli.loading.recommender import MODEL, POPULAR
from adrec_cli.models.registry import find_facts
from adrec_cli.pipeline import recommend_batch
from adrec_cli.ranking import samples as merged_samples
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from tests.pipeline.agreement.cases import CASES, Values, all_cases, draw_case, find_pairs
from tests.pipeline.agreement.shop import CATEGORIES, DEPTH, NEAR, Asked, Plain, Shop
from tests.reference.lists import merge_ranks, score_everything
from tests.tiers import sampled

QUICK = (3,)


def test_any_two_options_that_go_together_meet() -> None:
    generator = random.Random(2)
    possible = set().union(*(find_pairs(*draw_case(generator)) for _ in range(600)))
    met = set().union(*(find_pairs(*case) for case in all_cases()))
    assert len(possible) > 1000
    assert not possible - met


def pairs_in(items: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(item["item_id"], item["score"]) for item in items]


def ask_for_all(plain: Plain, asked: Asked, line: list[object]) -> None:
    """A batch of everybody, in chunks, to a file."""
    path = asked.shop.folder / f"all-{len(list(asked.shop.folder.iterdir()))}.parquet"
    asked.shop.type("recommend", *line, *asked.flags(), "--all", "--out", path)
    rows = pl.read_parquet(path).partition_by("user_id", as_dict=True)
    for user, history in asked.shop.histories().items():
        own = rows.pop((user,), None)
        known = bool(plain.know(history)[0])
        found = [] if own is None else list(own.select("item_id", "score").iter_rows())
        assert own is None or own["rank"].to_list() == list(range(1, own.height + 1))
        plain.require(found, history, asked, (MODEL if known else POPULAR) if own is None else own["source"][0])
    assert not rows


def ask_by_name(plain: Plain, asked: Asked, line: list[object]) -> None:
    """Some users, named one by one."""
    histories = asked.shop.histories()
    users = list(histories)[::5]
    named = [word for user in users for word in ("--user", user)]
    done = json.loads(asked.shop.type("recommend", *line, *asked.flags(), *named, "--json").stdout)["results"]
    for user, one in zip(users, done, strict=True):
        plain.require(pairs_in(one["items"]), histories[user], asked, one["source"])


def ask_with_events(plain: Plain, asked: Asked, line: list[object]) -> None:
    """Users of a file, some with newer events; or typed histories, where a model reads their times."""
    newest = [("u0", "i1", 1_800_000_000), ("u3", "i5", 1_800_000_060), ("fresh", "i2", 1_800_000_060)]
    if plain.model.reads_times:
        words = ["--history", "i4,unknown,i1,i4", "--times", "1700000000,1700000001,1700090000,1700090000"]
        (one,) = json.loads(asked.shop.type("recommend", *line, *asked.flags(), *words, "--json").stdout)["results"]
        history = [("i4", 1_700_000_000), ("i1", 1_700_090_000), ("i4", 1_700_090_000)]
        plain.require(pairs_in(one["items"]), history, asked, one["source"])
        return
    folder = asked.shop.folder
    asked.shop.write(folder / "today.csv", newest)
    (folder / "users.txt").write_text("u0\nfresh\nu1\nu3\nnobody\n")
    words = ["--users", folder / "users.txt", "--events", folder / "today.csv", "--out", "-", "--format", "jsonl"]
    done = asked.shop.type("recommend", *line, *asked.flags(), *words)
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    histories = asked.shop.histories()
    for user in ("u0", "fresh", "u1", "u3"):
        own = [row for row in rows if row["user_id"] == user]
        history = histories.get(user, []) + [(item, time) for who, item, time in newest if who == user]
        plain.require(pairs_in(own), history, asked, own[0]["source"] if own else MODEL)


def ask_a_server(plain: Plain, asked: Asked, line: list[object]) -> None:
    """Everybody at once, with lists of several lengths and reasons."""
    served = ServedModel(plain.recommender, asked.sampling, asked.merging)
    histories = asked.shop.histories()
    wishes = [
        (user, {**asked.wish, "k": k}) for user, k in zip(histories, itertools.cycle([asked.k, 1, 40]), strict=False)
    ]
    questions = [
        Question(
            user=user, history=None, k=wish["k"], include_seen=wish["include_seen"], choice=asked.choice(), explain=True
        )
        for user, wish in wishes
    ]
    for (user, wish), answer in zip(wishes, served.answer(questions), strict=True):
        assert isinstance(answer, Answer), answer
        plain.require(pairs_in(answer.items), histories[user], Asked(wish, asked.shop), answer.source)


def ask_from_python(plain: Plain, asked: Asked, line: list[object]) -> None:
    """Histories, one by one."""
    loaded = LoadedRecommender(plain.recommender)
    words = {"candidates": "candidates", "one": "candidates", "exclude": "exclude_items"}
    wanted: Values = {"k": asked.k, "include_seen": asked.wish["include_seen"]}
    if asked.named:
        asked.flags()
        wanted[words[asked.wish["choice"]]] = asked.shop.folder / f"{asked.wish['choice']}.txt"
    if asked.wish["choice"] == "category":
        wanted["category"] = [CATEGORIES[0]]
    if "draws" in asked.wish:
        wanted |= {"steps": asked.sampling.steps, "noise": asked.sampling.noise, "seed": 3, **vars(asked.merging)}
    for items in (["i0"], ["i2", "i1", "i2", "i7", "i0", "i2", "i9"]):
        history = [(item, 1_700_000_000 + place * 5000) for place, item in enumerate(items)]
        times = [time for _, time in history] if plain.model.reads_times else None
        found = loaded.recommend(history=items, times=times, **wanted)
        plain.require([(item.item_id, item.score) for item in found], history, asked, MODEL)


def require_ranks(plain: Plain, asked: Asked) -> None:
    """Rank what is held out, as every target's score says."""
    shop, masked = asked.shop, asked.wish["masked"]
    words = [
        "--part",
        "valid" if asked.wish["include_seen"] else "test",
        *["--mask-seen"] * masked,
        *asked.sampled_flags(),
    ]
    line = ["--dataset", "shop", "--threads", 1, "--json"]
    stages = list(find_facts(shop.made["model"]).stages)
    checkpoint = shop.workspace / "shop" / shop.made["model"] / f"{stages[-1]}.safetensors"
    told = json.loads(shop.type("evaluate", checkpoint, *line, *words).stdout)
    histories = shop.histories()
    ranked = pl.read_parquet(Path(told["path"]).with_suffix(".ranks.parquet"))
    for user, item, rank, length in ranked.select("user_id", "item_id", "rank", "history_length").iter_rows():
        before = histories[user][:length]
        assert histories[user][length][0] == item
        items, seconds = plain.know(before)
        target = plain.number[item]
        rivals = set(range(1, len(plain.ids) + 1)) - (set(items) if masked else set()) - {target}
        scores_SV = score_everything(
            plain.model, plain.recommender.checkpoint.metadata.output, items, seconds, asked.sampling, asked.samples
        )
        if asked.by_rank:
            merged = merge_ranks(scores_SV, rivals | {target}, max(50, DEPTH), NEAR)
            assert merged is None or rank == 1 + sum(merged[rival] >= merged[target] - 1e-9 for rival in rivals)
        else:
            scores_V = scores_SV.mean(axis=0)
            least, most = (
                1 + sum(scores_V[rival] > scores_V[target] + near for rival in rivals) for near in (NEAR, -NEAR)
            )
            assert least <= rank <= most, (user, asked.wish)
    users = ranked.group_by("user_id").agg((pl.col("rank") <= 5).mean().alias("hit"))
    assert told["metrics"]["hr@5"] == pytest.approx(users["hit"].mean())


WAYS = (ask_for_all, ask_a_server, ask_by_name, ask_with_events, ask_from_python)


@sampled("number", range(CASES), quick=QUICK)
def test_every_way_to_ask_gives_the_plain_answer(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_samples, "MIN_CANDIDATES", DEPTH)
    monkeypatch.setattr(recommend_batch, "CHUNK_USERS", 5)
    made, wishes = all_cases()[number]
    shop = Shop(made, tmp_path, number)
    shop.train()
    asked = [Asked(wish, shop) for wish in wishes]
    plain = Plain(shop)
    for one in asked:
        require_ranks(plain, one)
    shop.grow()
    plain = Plain(shop)
    line = ["--dataset", "shop", "--model", made["model"], "--threads", 1]
    for way, one in itertools.product(WAYS, asked):
        way(plain, one, line)
