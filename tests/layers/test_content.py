"""Item vectors that are made of content: against a plain computation, gradients and all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from adrec_cli.layers.content import whitening
from adrec_cli.layers.embedding import ItemEmbedding
from adrec_cli.layers.names import COMPUTED
from tests.variants import some_content

ITEMS, WIDTH, CONTENT = 30, 8, 6
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
kinds = pytest.mark.parametrize("kind", COMPUTED)


def table_of(kind: str, *, learnt: int = ITEMS) -> ItemEmbedding:
    """A table whose last items, from `learnt` on, never occurred."""
    table = ItemEmbedding(ITEMS, WIDTH, content=kind, content_width=CONTENT)
    table.give_content(some_content(ITEMS, CONTENT), torch.arange(ITEMS + 1) <= learnt)
    generator = torch.Generator().manual_seed(1)
    table.initialize(generator, 0.5)
    with torch.no_grad():
        for weight in table.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    return table


def slow_vector(table: ItemEmbedding, item: int) -> torch.Tensor:
    """The vector of one item, as the page says it is made, in float64."""
    if item == 0:
        return torch.zeros(WIDTH, dtype=torch.float64)
    weights = {name: weight.double() for name, weight in table.named_parameters()}
    content = table.content.content_VC[item].double()
    turned = weights["content.turn_DC"] @ content + weights["content.shift_D"]
    if "content.deepen.expand.weight" in weights:
        hidden = weights["content.deepen.expand.weight"] @ turned + weights["content.deepen.expand.bias"]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        turned = turned + weights["content.deepen.contract.weight"] @ hidden + weights["content.deepen.contract.bias"]
    if "content.gate_bias_D" in weights:
        turned = turned * 2 / (1 + torch.exp(-weights["content.gate_bias_D"]))
    if "weight" in weights and table.content.learnt_V[item]:
        turned = turned + weights["weight"][item]
    return turned


@kinds
def test_vectors_equal_plain_ones(kind: str) -> None:
    table = table_of(kind, learnt=ITEMS - 5)
    expected = torch.stack([slow_vector(table, item) for item in range(ITEMS + 1)]).float()
    items = torch.tensor([[3, 0, ITEMS], [ITEMS - 1, 3, 1]])
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "rows": lambda: table(items),
        "sorted rows": lambda: table(items, None, items.flatten().argsort(stable=True)),
        "of given vectors": lambda: table(items, table.vectors_VD()),
        "of the whole": lambda: table.vectors_VD()[items],
    }
    for name, way in ways.items():
        torch.testing.assert_close(way(), expected[items], **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
        with torch.no_grad():
            torch.testing.assert_close(way(), expected[items], **CLOSE)


@kinds
def test_gradients_equal_plain_ones(kind: str) -> None:
    table = table_of(kind, learnt=ITEMS - 5)
    items, to = torch.tensor([3, 0, 3, 1, ITEMS]), torch.randn(5, WIDTH)
    everything = torch.randn(ITEMS + 1, WIDTH)

    def gradients(loss: torch.Tensor) -> dict[str, torch.Tensor]:
        table.zero_grad()
        loss.backward()
        return {name: weight.grad.clone() for name, weight in table.named_parameters()}

    slow = torch.stack([slow_vector(table, item) for item in range(ITEMS + 1)]).float()
    expected = gradients((slow[items] * to).sum() + (slow * everything).sum())
    found = gradients((table(items) * to).sum() + (table.vectors_VD() * everything).sum())
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-4)
    if table.weight is not None:
        never = table.weight.grad[[0, *range(ITEMS - 4, ITEMS + 1)]]
        assert not never.any(), "what never occurs has no vector of its own to be pushed about"


@kinds
def test_what_is_kept_follows_the_weights(kind: str) -> None:
    table = table_of(kind).eval()
    with torch.no_grad():
        kept = table.vectors_VD()
        assert table.vectors_VD() is kept
        for weight in table.parameters():
            weight.mul_(1.5)
            assert not torch.equal(table.vectors_VD(), kept)
            kept = table.vectors_VD()
        table.give_content(some_content(ITEMS, CONTENT).flip(0), torch.ones(ITEMS + 1, dtype=torch.bool))
        assert not torch.equal(table.vectors_VD()[1:], kept[1:])
    assert table.vectors_VD().requires_grad, "what is trained is never what was kept"


@pytest.mark.parametrize("kind", ["init", *COMPUTED])
def test_fresh_vectors_begin_whitened(kind: str) -> None:
    items, width, std = 4_000, 16, 0.02
    generator = torch.Generator().manual_seed(2)
    # Far from white: some directions vary much more than others, around a mean that is not zero.
    content_VC = torch.randn(items + 1, 24, generator=generator) * torch.linspace(0.01, 0.3, 24) + 0.2
    content_VC[0] = 0
    table = ItemEmbedding(items, width, content=kind, content_width=0 if kind == "init" else 24)
    table.give_content(content_VC.half(), torch.ones(items + 1, dtype=torch.bool))
    table.initialize(generator, std)
    if kind in ("sum", "adapter"):
        table.weight.data.zero_()
    vectors_VD = table.vectors_VD().detach()
    assert not vectors_VD[0].any()
    close = {"sum": 1e-3, "init": 1e-3}.get(kind, 0.2)
    covariance = vectors_VD[1:].T.cov() / std**2
    torch.testing.assert_close(covariance, torch.eye(width), atol=close, rtol=0)
    assert vectors_VD[1:].mean(dim=0).abs().max() < (0.1 if close > 0.1 else 1e-3) * std * 10


def test_content_of_few_directions_and_of_none() -> None:
    generator = torch.Generator().manual_seed(3)
    flat = torch.randn(50, 2, generator=generator) @ torch.randn(2, 10, generator=generator)
    matrix, shift = whitening(flat.half(), 16, generator)
    vectors = flat.half().float() @ matrix.T + shift
    assert torch.isfinite(vectors).all()
    assert vectors.var(dim=0).sum() == pytest.approx(16, rel=0.1), "as large as vectors of sixteen directions"
    assert torch.linalg.matrix_rank(vectors, rtol=0.05) == 2
    for same in (torch.zeros(5, 4), torch.ones(5, 4)):
        matrix, shift = whitening(same.half(), 8, generator)
        assert torch.isfinite(matrix).all()
        assert matrix.any()


def test_items_without_content_keep_what_was_drawn() -> None:
    table, plain = (ItemEmbedding(ITEMS, WIDTH, content=kind) for kind in ("init", "none"))
    table.give_content(some_content(ITEMS, CONTENT), torch.ones(ITEMS + 1, dtype=torch.bool))
    for one in (table, plain):
        one.initialize(torch.Generator().manual_seed(4), 0.1)
    same = (table.weight == plain.weight).all(dim=1).nonzero().flatten().tolist()
    assert same == [0, ITEMS]
    assert table.state_dict().keys() == plain.state_dict().keys()
