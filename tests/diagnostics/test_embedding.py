"""Figures about item vectors against values worked out by hand and against plain loops."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from adrec_cli.diagnostics.clusters import silhouette
from adrec_cli.diagnostics.embedding import TERMS, EmbeddingDiagnostics, diagnose
from adrec_cli.diagnostics.neighbours import nearest_neighbours
from adrec_cli.diagnostics.spectrum import effective_rank, entropy, kl_to_gaussian, kl_to_gaussian_unbounded
from adrec_cli.diagnostics.spread import evenly_spaced_rows, mean_cosine, mean_cosine_of_others, mean_distance
from adrec_cli.errors import InputError


def noise(items: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(items, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_square() -> None:
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double()
    found = diagnose(square)
    assert found.embedding_variance == pytest.approx(1)
    assert found.mean_cosine == pytest.approx(0)
    # A corner has itself, two corners at 2, and one at 2 sqrt 2.
    assert found.mean_distance == pytest.approx((4 + 2 * math.sqrt(2)) / 4)
    assert found.effective_rank == pytest.approx(2)
    assert found.singular_value_entropy == pytest.approx(math.log(2))
    assert found.covariance_entropy == pytest.approx(math.log(2))
    assert found.singular_values == pytest.approx((2, 2))
    assert found.singular_value_variance == pytest.approx(0)
    assert found.isotropy == pytest.approx(1)
    # The sample covariance of a standardised dimension is 4/3.
    assert found.kl_to_gaussian == pytest.approx(1 / 3 - math.log(4 / 3))
    assert found.kl_to_gaussian_unbounded == pytest.approx(1 / 3 - math.log(4 / 3))


def test_a_line_and_a_point() -> None:
    line = diagnose(torch.outer(torch.arange(1.0, 9.0), torch.tensor([1.0, 2.0, 3.0])))
    assert line.effective_rank == pytest.approx(1, abs=1e-5)
    assert line.mean_cosine == pytest.approx(1)
    assert line.isotropy == pytest.approx(0, abs=1e-12)
    assert line.kl_to_gaussian_unbounded is None
    assert line.kl_to_gaussian > 9
    point = diagnose(torch.ones(5, 4))
    assert (point.embedding_variance, point.mean_distance) == (0, 0)
    assert all(math.isfinite(value) for value in dataclasses.asdict(point).values() if isinstance(value, float))


def test_pairs_equal_plain_loops() -> None:
    vectors = noise(40, 6) + 1
    distances = [math.dist(one, other) for one in vectors.tolist() for other in vectors.tolist()]
    assert mean_distance(vectors) == pytest.approx(sum(distances) / len(distances))
    cosines = [
        float(torch.dot(one, other) / one.norm() / other.norm())
        for row, one in enumerate(vectors)
        for other in vectors[row + 1 :]
    ]
    assert mean_cosine_of_others(vectors) == pytest.approx(sum(cosines) / len(cosines))
    assert mean_cosine(vectors) == pytest.approx((2 * sum(cosines) + 40) / 1600)


def test_large_distances_take_the_fast_way_to_the_same_result() -> None:
    vectors = noise(1500, 4)
    plain = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist").mean()
    assert mean_distance(vectors) == pytest.approx(float(plain), rel=1e-6)


def test_collapse_beyond_the_cut_off_is_told_apart() -> None:
    bad, worse = (noise(500, 32) * torch.cat([torch.ones(4), torch.full((28,), rest)]) for rest in (1e-2, 1e-4))
    bad, worse = bad @ torch.linalg.qr(noise(32, 32))[0], worse @ torch.linalg.qr(noise(32, 32))[0]
    assert kl_to_gaussian(worse) - kl_to_gaussian(bad) < 0.1
    assert kl_to_gaussian(worse) < 10.5
    unbounded = [kl_to_gaussian_unbounded(vectors) for vectors in (bad, worse)]
    assert None not in unbounded
    assert unbounded[1] > unbounded[0] + 100  # type: ignore[operator]
    assert effective_rank(worse) < effective_rank(bad) < 10


def test_entropy_of_shares() -> None:
    assert entropy(torch.tensor([2.0, 2.0, 0.0, 4.0]).double()) == pytest.approx(1.5 * math.log(2))
    assert entropy(torch.zeros(3)) == 0


def test_neighbours_are_the_nearest_without_the_item_itself() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 0.0], [5.0, 0.0], [2.0, 0.0]])
    rows, cosines = nearest_neighbours(vectors, 0, 4)
    assert rows.tolist() == [4, 5, 2, 1]
    assert cosines.tolist() == pytest.approx([1, 1, math.sqrt(0.5), 0])
    assert len(nearest_neighbours(vectors, 2, 99)[0]) == 5


def test_silhouette_tells_clusters_from_noise() -> None:
    pytest.importorskip("sklearn")
    centres = torch.eye(3).double() * 100
    apart = torch.cat([centre + noise(20, 3, seed) for seed, centre in enumerate(centres)])
    assert silhouette(apart, clusters=3, seed=0) > 0.95  # type: ignore[operator]
    cloud = noise(200, 16)
    assert abs(silhouette(cloud, clusters=3, seed=0) or 1) < 0.1
    assert silhouette(cloud, clusters=3, seed=0) == silhouette(cloud, clusters=3, seed=0)
    assert silhouette(torch.ones(6, 2), clusters=3, seed=0) is None
    assert silhouette(apart[:2], clusters=10, seed=0) is None


def test_rows_are_spaced_evenly() -> None:
    assert evenly_spaced_rows(3, 5).tolist() == [0, 1, 2]
    assert evenly_spaced_rows(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert len(set(evenly_spaced_rows(8713, 2048).tolist())) == 2048


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="2 item vectors"):
        diagnose(noise(2, 4))


def test_every_figure_is_explained_in_one_line() -> None:
    figures = {field.name for field in dataclasses.fields(EmbeddingDiagnostics)}
    assert set(TERMS) == figures - {"items", "width", "singular_values"}
    assert all(len(meaning) < 80 and "\n" not in meaning for meaning in TERMS.values())
