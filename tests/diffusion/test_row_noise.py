"""Noise by rows: what a row is given depends on its key alone."""

from __future__ import annotations

import torch

from adrec_cli.diffusion.samplers import noise_source
from adrec_cli.models.batch import HistoryBatch


def drawn(keys: list[int], *, calls: int, ahead: int = 1, seed: int = 1, temperature: float = 1.0) -> torch.Tensor:
    noise = noise_source(
        (len(keys), 24), kind="seeded", generator=torch.Generator().manual_seed(seed), keys=lambda: keys, ahead=ahead,
        temperature=temperature,
    )  # fmt: skip
    return torch.stack([noise() for _ in range(calls)])


def test_a_row_does_not_depend_on_the_others_nor_on_where_it_stands() -> None:
    together = drawn([5, -9, 2**63 - 1], calls=4, ahead=4)
    assert torch.equal(together[:, 1:2], drawn([-9], calls=4, ahead=4))
    assert torch.equal(together[:, [2, 0]], drawn([2**63 - 1, 5], calls=4, ahead=4))


def test_rows_draws_and_seeds_differ() -> None:
    first = drawn([1, 2], calls=3, ahead=3)
    assert len({*map(tuple, first.flatten(0, 1).tolist())}) == 6
    assert not torch.equal(first, drawn([1, 2], calls=3, ahead=3, seed=2))


def test_it_goes_on_behind_what_was_drawn_ahead() -> None:
    assert len({*map(tuple, drawn([7], calls=5, ahead=2)[:, 0].tolist())}) == 5


def test_it_is_normal_of_the_temperature() -> None:
    values = drawn(list(range(2000)), calls=2, ahead=2, temperature=3.0)
    assert abs(values.mean().item()) < 0.05
    assert abs(values.std().item() - 3) < 0.05


def test_two_sources_of_one_generator_differ() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (noise_source((1, 8), kind="seeded", generator=generator, keys=lambda: [3])() for _ in range(2))
    assert not torch.equal(first, second)


def test_keys_are_of_the_items_and_their_order_and_not_of_padding() -> None:
    rows = torch.tensor([[1, 2, 0, 0], [2, 1, 0, 0], [1, 2, 3, 0], [1, 0, 0, 0]])
    keys = HistoryBatch(items_BL=rows, lengths_B=torch.tensor([2, 2, 3, 1])).keys()
    assert len(set(keys)) == 4
    alone = HistoryBatch(items_BL=rows[:1, :2], lengths_B=torch.tensor([2])).keys()
    assert alone == keys[:1]
