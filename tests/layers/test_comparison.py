"""Cosines as scores: one length, no direction without one, and kept while nothing changes."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.layers.comparison import BY_PRODUCTS, Comparison


@pytest.fixture
def vectors_VD() -> torch.Tensor:
    """Of padding and nine items, of very unlike lengths."""
    lengths_V1 = torch.tensor([0, 1e-4, 1e-2, 0.1, 1, 3, 10, 1e3, 1e6, 1e9])[:, None]
    return torch.randn(10, 4, generator=torch.Generator().manual_seed(0)) * lengths_V1


def test_vectors_have_one_length_their_direction_and_padding_neither(vectors_VD: torch.Tensor) -> None:
    found_VD = Comparison("cosine", 0.05)(vectors_VD)
    assert not found_VD[0].any()
    torch.testing.assert_close(found_VD[1:].square().sum(dim=1), torch.full((9,), 20.0))
    directions = torch.nn.functional.cosine_similarity(found_VD[1:], vectors_VD[1:], eps=0)
    torch.testing.assert_close(directions, torch.ones(9))


def test_products_are_of_the_vectors_as_they_are(vectors_VD: torch.Tensor) -> None:
    for comparison in (BY_PRODUCTS, Comparison("product", 0.05)):
        assert comparison(vectors_VD) is vectors_VD
        assert comparison.of_all(vectors_VD) is vectors_VD


def test_what_has_no_direction_has_no_gradient_and_that_of_others_turns_them_only(vectors_VD: torch.Tensor) -> None:
    vectors_VD = vectors_VD[:7].requires_grad_()
    Comparison("cosine", 0.1)(vectors_VD).sin().sum().backward()
    assert not vectors_VD.grad[0].any()
    assert vectors_VD.grad[1:].any(dim=1).all()
    along_V = (vectors_VD.grad * torch.nn.functional.normalize(vectors_VD.detach(), dim=1)).sum(dim=1)
    assert (along_V.abs() <= 1e-4 * vectors_VD.grad.norm(dim=1)).all()


@pytest.mark.parametrize("asked_in", [torch.no_grad, torch.inference_mode])
def test_all_vectors_are_compared_once_while_they_stay_as_they_are(vectors_VD: torch.Tensor, asked_in: type) -> None:
    weight, comparison = torch.nn.Parameter(vectors_VD), Comparison("cosine", 0.1)

    def found() -> torch.Tensor:
        with asked_in():
            return comparison.of_all(weight.detach())

    first = found()
    assert found() is first
    with torch.no_grad():
        weight[3] = 1.0
    second = found()
    torch.testing.assert_close(second, comparison(weight).detach())
    assert not torch.equal(first, second)
    weight.data = torch.randn(10, 4)
    torch.testing.assert_close(found(), comparison(weight).detach())
    kept = found()
    comparison.forget()
    assert found() is not kept


def test_computed_vectors_are_kept_as_well() -> None:
    comparison = Comparison("cosine", 0.1)
    with torch.inference_mode():
        one_VD, other_VD = torch.randn(4, 2), torch.randn(4, 2)
        assert comparison.of_all(one_VD) is comparison.of_all(one_VD)
        torch.testing.assert_close(comparison.of_all(other_VD), comparison(other_VD))
