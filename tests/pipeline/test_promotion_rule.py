"""The grammar of --promote-if."""

from __future__ import annotations

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.promotion.rule import PromotionRule, parse_promotion_rule, parse_promotion_rules


@pytest.mark.parametrize(
    ("text", "metric", "current", "enough", "too_little"),
    [
        ("ndcg@10 >= current - 0.002", "ndcg@10", 0.5, 0.4981, 0.4979),
        ("ndcg@10>=current", "ndcg@10", 0.5, 0.5, 0.4999),
        ("  hr@7 > current ", "hr@7", 0.5, 0.5001, 0.5),
        ("mrr@20 >= current + 1%", "mrr@20", 0.5, 0.5051, 0.5049),
        ("hr@20 > current - .5 %", "hr@20", 0.8, 0.7961, 0.7959),
        ("ndcg@10 > mostpop", "ndcg@10", 0.5, 0.5001, 0.5),
        ("ndcg@10 >= mostpop + 10%", "ndcg@10", 0.5, 0.551, 0.549),
        # Metrics of others may be below 0: less is worse there, too.
        ("ndcg@10 >= current - 10%", "ndcg@10", -2.0, -2.19, -2.21),
        ("ndcg@10 > mostpop + 10%", "ndcg@10", -2.0, -1.79, -1.81),
    ],
)
def test_what_is_meant(text, metric, current, enough, too_little):
    rule = parse_promotion_rule(text)
    assert rule.metric == metric
    assert rule.allows(enough, current)
    assert not rule.allows(too_little, current)
    assert parse_promotion_rule(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    [
        "", "ndcg@10", "ndcg >= current", "ndcg@0 >= current", "ndcg@10 = current", "ndcg@10 <= current",
        "ndcg@10 >= 0.5", "ndcg@10 >= current - ", "ndcg@10 >= current -- 1", "ndcg@10 >= current * 2",
        "ndcg@10 >= current - 1e9", "__import__('os')", "auc@10 >= current", "ndcg@10 >= current; true",
        "ndcg@10 >= current - 0.1 ndcg@5 >= current", "NDCG@10 >= current",
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(text):
    with pytest.raises(UsageError) as refused:
        parse_promotion_rule(text)
    assert refused.value.hint


def test_options_that_do_not_go_together():
    with pytest.raises(UsageError, match="at least 2"):
        PromotionOptions(keep=1)
    with pytest.raises(UsageError, match="tolerance"):
        PromotionOptions(rules=(PromotionRule(metric="hr@10"),), tolerance=0.1)


def test_several_rules_at_once():
    rules = parse_promotion_rules("ndcg@10 >= current - 0.002 and ndcg@10 > mostpop and hr@5>mostpop")
    assert [(rule.metric, rule.against, rule.strict) for rule in rules] == [
        ("ndcg@10", "current", False), ("ndcg@10", "mostpop", True), ("hr@5", "mostpop", True),
    ]  # fmt: skip
    assert parse_promotion_rules(" and ".join(map(str, rules))) == rules
    for text in ("and", "ndcg@10 > mostpop and", "ndcg@10 > mostpop and and hr@5 > current", "ndcg@10 > mostpopand"):
        with pytest.raises(UsageError):
            parse_promotion_rules(text)
