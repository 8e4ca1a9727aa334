"""Several samples merged into one list, against plain loops; and what one sample, or none of noise, comes down to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import history_batches
from adrec_cli.errors import UsageError
from adrec_cli.models.most_popular import MostPopular, MostPopularConfig
from adrec_cli.models.registry import MODELS
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking import merging
from adrec_cli.ranking import samples as merged_samples
from adrec_cli.ranking.merging import check_sampled, merge_top_k
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.ranking.samples import Merging
from adrec_cli.runtime import make_generator
from tests.examples import tries
from tests.ranking.test_scores import asked, made
from tests.reference import merging as reference

CPU = torch.device("cpu")
DIFFUSION = ("adrec", "dreamrec", "diffurec")
ITEMS = 30


def whole_numbers(*shape: int, generator: torch.Generator) -> torch.Tensor:
    """Small whole numbers, whose inner products are exact and often equal."""
    return torch.randint(-2, 3, shape, generator=generator).float()


@settings(max_examples=tries(60), deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 40), st.integers(1, 12), st.integers(1, 5), st.integers(1, 9),
    st.sampled_from([1, 7, 10_000]), st.integers(0, 1000),
)  # fmt: skip
def test_both_merges_equal_plain_loops(users, items, k, samples, candidates, chunk, seed):
    generator = torch.Generator().manual_seed(seed)
    representations = [whole_numbers(users, 3, generator=generator) for _ in range(samples)]
    vectors = whole_numbers(items + 1, 3, generator=generator)
    rng = np.random.default_rng(seed)
    excluded = [np.unique(rng.integers(1, items + 1, size=rng.integers(0, items + 1))) for _ in range(users)]
    left_out = [set(entry.tolist()) for entry in excluded]
    for merge in ("reciprocal-rank", "mean-score"):
        if samples == 1 and merge == "reciprocal-rank":
            continue  # one sample is ranked as it is
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merged_samples, "MIN_CANDIDATES", candidates)
            patch.setattr(merging, "_CHUNK_ENTRIES", chunk)
            found = merge_top_k(representations, vectors, k, excluded, merge=merge)
        expected = reference.merged(representations, vectors, k, left_out, merge=merge, depth=max(candidates, k))
        for row, ranked in zip(expected, found, strict=True):
            if merge == "reciprocal-rank":
                assert ranked.items.tolist() == [item for item, _ in row]
            assert ranked.scores.tolist() == pytest.approx([float(score) for _, score in row], rel=1e-5, abs=1e-5)


def test_an_item_that_two_samples_put_first_and_last_beats_one_that_both_put_in_the_middle():
    # By reciprocal rank 1/61 + 1/65 > 2/63; by the mean score the middle wins.
    vectors = torch.tensor([[0.0], [2.0], [1.5], [1.2], [1.1], [1.0]])
    first, second = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    nothing = [np.empty(0, dtype=np.int64)]
    (found,) = merge_top_k([first, second], vectors, 5, nothing)
    assert found.items.tolist() == [1, 5, 2, 4, 3]
    assert found.scores[0] == pytest.approx(1 / 61 + 1 / 65)


class Listed(MostPopular):
    """A model whose n-th sample is the n-th of a list of tables of representations, one row a newest item."""

    sampled_outputs = ("popularity",)

    def __init__(self, tables: list[torch.Tensor], vectors: torch.Tensor) -> None:
        super().__init__(MostPopularConfig(), len(vectors) - 1)
        self.tables, self.vectors, self.calls = tables, vectors, 0

    def represent(self, histories, *, output, sampling, generator):
        table = self.tables[self.calls % len(self.tables)]
        self.calls += 1
        return table[histories.items_BL[:, 0]]

    def item_vectors_VD(self):
        return self.vectors


@pytest.mark.parametrize("merge", ["reciprocal-rank", "mean-score"])
@pytest.mark.parametrize("mask_seen", [False, True])
def test_ranks_of_targets_equal_plain_loops(merge, mask_seen):
    generator = torch.Generator().manual_seed(3)
    rng = np.random.default_rng(3)
    sequences = made([rng.integers(1, ITEMS + 1, size=rng.integers(3, 9)).tolist() for _ in range(50)], items=ITEMS)
    cases = select_cases(sequences, "test")
    vectors = torch.randn(ITEMS + 1, 4, generator=generator)
    tables = [torch.randn(ITEMS + 1, 4, generator=generator) for _ in range(3)]
    scorer = asked(Listed(tables, vectors), merging=Merging(samples=3, merge=merge))
    ranks = target_ranks(scorer, sequences, cases, Rivals(mask_seen=mask_seen))
    histories = [sequences.items[s:e] for s, e in zip(cases.starts, cases.ends, strict=True)]
    seen = [set(history.tolist()) - {target} for history, target in zip(histories, cases.targets, strict=True)]
    expected = reference.merged(
        [table[[int(history[-1]) for history in histories]] for table in tables],
        vectors, ITEMS, seen if mask_seen else [set() for _ in seen], merge=merge, depth=100,
    )  # fmt: skip
    for rank, target, row in zip(ranks, cases.targets, expected, strict=True):
        score = dict(row)[int(target)]
        assert rank == sum(other >= score for _, other in row)


def test_ranks_among_negatives_are_merged_among_them():
    sequences = made([[1, 2, 3]], items=5)
    vectors = torch.tensor([[0.0, 0], [9, 9], [9, 9], [2, 3], [3, 1], [1, 2]])
    tables = [torch.tensor([[1.0, 0]]).expand(6, 2), torch.tensor([[0.0, 1]]).expand(6, 2)]

    def rank(negatives):
        scorer, rivals = (
            asked(Listed(tables, vectors), merging=Merging(samples=2)),
            Rivals(negatives=np.array([negatives])),
        )
        return target_ranks(scorer, sequences, select_cases(sequences, "test"), rivals).tolist()

    # Item 3 comes second and first, item 4 first and third, item 5 third and second.
    assert rank([4, 5]) == [1]
    # Item 1 beats it; twice drawn it counts twice, and the target drawn as a negative not at all.
    assert rank([1, 4, 5]) == [2]
    assert rank([1, 1, 4, 5, 3]) == [3]


def test_a_target_that_no_sample_brings_in_is_last():
    sequences = made([[1, 2, 3]], items=200)
    vectors = torch.arange(201.0).unsqueeze(1)
    model = Listed([torch.ones(201, 1), torch.full((201, 1), 2.0)], vectors)
    ranks = target_ranks(asked(model, merging=Merging(samples=2)), sequences, select_cases(sequences, "test"))
    assert ranks.tolist() == [200]


def tiny(name):
    entry = MODELS[name]
    small = {"hidden_size": 8, "heads": 2, "max_length": 12, "diffusion_steps": 6}
    model = entry(entry.config_type(**small), ITEMS).eval()
    for number, component in enumerate(model.components()):
        model.initialize(component, torch.Generator().manual_seed(number))
    return model


@pytest.fixture(scope="module")
def histories():
    rng = np.random.default_rng(8)
    return made([rng.integers(1, ITEMS + 1, size=length).tolist() for length in (3, 3, 5, 9, 14)], items=ITEMS)


def samples_of(model, histories, sampling, samples=1, users=slice(None)):
    """Representations of some users, in their order, one table per sample."""
    starts, ends = histories.offsets[:-1][users], histories.offsets[1:][users]
    tables = [torch.zeros(len(starts), 8) for _ in range(samples)]
    scorer = asked(model, model.outputs[-1], sampling=sampling, merging=Merging(samples=samples))
    for cases, representations, _ in scorer.represent(histories, starts, ends):
        for table, representation in zip(tables, representations, strict=True):
            table[cases] = representation
    return tables


@pytest.mark.parametrize("name", DIFFUSION)
def test_one_sample_is_what_the_model_gives_by_the_seed(name, histories):
    model = tiny(name)
    (cases, batch), *rest = history_batches(
        histories.items, histories.offsets[:-1], histories.offsets[1:], max_length=model.max_length, batch_tokens=4096
    )
    generator = make_generator(5, "sampling", "seeded")
    expected = model.represent(batch, output=model.outputs[-1], sampling=Sampling(seed=5), generator=generator)
    assert not rest
    assert torch.equal(samples_of(model, histories, Sampling(seed=5))[0][cases], expected)


@pytest.mark.parametrize("name", DIFFUSION)
def test_samples_differ_and_come_again_with_the_seed(name, histories):
    model = tiny(name)
    found = samples_of(model, histories, Sampling(seed=1), samples=3)
    again, other = (samples_of(model, histories, Sampling(seed=seed), samples=3) for seed in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(found, [*found[1:], other[0]], strict=True))


@pytest.mark.parametrize("name", DIFFUSION)
@pytest.mark.parametrize("noise", ["seeded", "common"])
def test_temperature_zero_is_zero_noise(name, noise, histories):
    model = tiny(name)
    still = samples_of(model, histories, Sampling(noise="zero"))[0]
    cold = samples_of(model, histories, Sampling(noise=noise, temperature=0), samples=2)
    assert all(torch.equal(sample, still) for sample in cold)
    assert not torch.equal(samples_of(model, histories, Sampling(noise=noise, temperature=0.1))[0], still)


@pytest.mark.parametrize("name", DIFFUSION)
def test_common_noise_does_not_depend_on_who_is_asked_together(name, histories):
    model, sampling = tiny(name), Sampling(noise="common", temperature=1.5)
    together = samples_of(model, histories, sampling, samples=2)
    for user in range(histories.users):
        alone = samples_of(model, histories, sampling, samples=2, users=slice(user, user + 1))
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[user], atol=1e-5, rtol=1e-5)


def test_what_draws_nothing_is_refused():
    sasrec = MODELS["sasrec"](MODELS["sasrec"].config_type(hidden_size=8, heads=2), ITEMS)
    adrec = tiny("adrec")
    for model, output in ((sasrec, "next_item"), (adrec, "condition")):
        check_sampled(model, output, FAST_SAMPLING, Merging())
        with pytest.raises(UsageError, match=f"4 samples need a model that samples; {model.name} by its {output}"):
            check_sampled(model, output, Sampling(), Merging(samples=4))
        with pytest.raises(UsageError, match=r"temperature 0.5 need"):
            check_sampled(model, output, Sampling(temperature=0.5), Merging())
    with pytest.raises(UsageError, match="zero noise"):
        check_sampled(adrec, "x_start", FAST_SAMPLING, Merging(samples=4))
    check_sampled(adrec, "x_start", Sampling(temperature=2), Merging(samples=4))


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"samples": 257}, {"merge": "vote"}])
def test_options_that_are_no_merging(wrong):
    with pytest.raises(UsageError):
        Merging(**wrong)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_a_temperature_is_a_finite_number(temperature):
    with pytest.raises(UsageError, match="temperature"):
        Sampling(temperature=temperature)


def test_one_sample_is_ranked_alike_whatever_the_merge(histories):
    model, cases = tiny("adrec"), select_cases(histories, "test")
    ranks = [
        target_ranks(asked(model, "x_start", sampling=Sampling(seed=4), merging=Merging(merge=merge)), histories, cases)
        for merge in merging.MERGES
    ]
    assert (ranks[0] == ranks[1]).all()


def test_nothing_is_asked_of_a_model_that_it_cannot_give(histories):
    sasrec = MODELS["sasrec"](MODELS["sasrec"].config_type(hidden_size=8, heads=2), ITEMS)
    with pytest.raises(UsageError, match="4 samples need a model that samples"):
        asked(sasrec, "next_item", merging=Merging(samples=4))
