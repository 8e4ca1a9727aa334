"""Results are tables: frames with documented columns, and HTML that nothing in them can break."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import adrec_cli
from adrec_cli.api.recommender import LoadedRecommender
from adrec_cli.api.results import RecommendedItems, RecommendedLists, Tabular
from adrec_cli.pipeline.recommend import RecommendedItem


class Texts(HTMLParser):
    """What stands in HTML, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_every_result_has_the_columns_it_promises(workspace: Path, tmp_path: Path) -> None:
    shop = adrec_cli.preprocess(workspace.parent / "shop.csv", workspace=tmp_path)
    model = adrec_cli.train(shop, model="sasrec", epochs=1, set={"model": {"hidden_size": 16}})
    measured = adrec_cli.evaluate(model)
    items, lists = adrec_cli.recommend(shop, user="u1"), adrec_cli.recommend(shop, users=["u1", "x"], k=2)
    assert shop.to_frame().select("dataset", "users", "items", "interactions").row(0) == ("shop", 120, 40, 1106)
    assert model.to_frame().select("stage", "epoch", "skipped").row(0) == ("train", 1, False)
    assert model.to_frame()["ndcg@10"][0] == model.metrics["ndcg@10"]
    assert measured.to_frame().columns == ["metric", "value", "lower", "upper"]
    assert dict(measured.to_frame().select("metric", "value").rows()) == measured.metrics
    assert items.to_frame().columns == ["rank", "item_id", "title", "score"]
    assert items.to_frame()["rank"].to_list() == list(range(1, 11))
    assert lists.to_frame().columns == ["user_id", "rank", "item_id", "title", "score", "source", "model"]
    for result in (shop, model, measured, items, lists):
        assert isinstance(result, Tabular)
        shown = Texts(result._repr_html_())
        assert set(result.to_frame().columns) <= set(shown.texts)
        assert result.describe()[0] in shown.texts
        assert len(repr(result)) < 2_000
    assert "1 unknown user, for example x" in Texts(lists._repr_html_()).texts


def test_html_escapes_what_it_shows() -> None:
    odd = '<script>alert(1)</script> & "x"'
    shown = Texts(RecommendedItems([RecommendedItem(rank=1, item_id=odd, title=odd, score=1.0)])._repr_html_())
    assert "script" not in shown.tags
    assert "".join(shown.texts).count(odd) == 2


@pytest.mark.parametrize("rows", [0, 1, 50, 51, 5_000])
def test_long_tables_are_cut_and_say_so(rows: int) -> None:
    table = pl.DataFrame(
        {"user_id": [f"u{n}" for n in range(rows)], "score": [0.5] * rows}, schema_overrides={"user_id": pl.String}
    )
    lists = RecommendedLists(
        dataset="shop", model="sasrec", checkpoint_sha256="", promoted=True, unknown_users=(), unknown_items=(),
        without_list=(), table=table,
    )  # fmt: skip
    shown = Texts(lists._repr_html_()).texts
    assert sum(text.startswith("u") and text != "user_id" for text in shown) == min(rows, 50)
    assert any("more row" in text for text in shown) == (rows > 50)


def test_an_empty_list_is_a_table_too() -> None:
    assert RecommendedItems().to_frame().height == 0
    assert "0 recommended items" in RecommendedItems()._repr_html_()


def test_vectors_multiply_to_scores(workspace: Path) -> None:
    loaded = adrec_cli.load_recommender(workspace)
    assert isinstance(loaded, LoadedRecommender)
    items, users = adrec_cli.item_vectors(workspace), adrec_cli.user_vectors(workspace)
    assert (items.columns, users.columns) == (["item_id", "vector"], ["user_id", "vector"])
    assert (items.height, users.height) == (40, 120)
    by_item = dict(zip(items["item_id"], items["vector"].to_numpy(), strict=True))
    mine = users.filter(pl.col("user_id") == "u1")["vector"].to_numpy()[0]
    for item in loaded.recommend(user="u1", k=5, steps=1, noise="zero"):
        assert float(by_item[item.item_id] @ mine) == pytest.approx(item.score, abs=1e-5)
