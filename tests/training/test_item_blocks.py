"""An item table in blocks: the bytes of a training with the whole table, and a share of its memory."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.tensor_file import write_tensors
from adrec_cli.errors import DivergedError, StorageError, UsageError
from adrec_cli.training.item_blocks import Blockwise, ItemBlocks, block_bounds, gather_blocks, unit_of
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.processes import Processes
from tests.training.small import small_training
from tests.training.threads import in_threads

TABLE = "item_embedding.weight"
SAMPLED = {"ranking_loss": "sampled_softmax", "negatives": 8}
CASES = {
    "adagrad": ("sasrec", "train", "rowwise_adagrad", {**SAMPLED, "logq_correction": True, "negatives_power": 0.5}),
    "own negatives": (
        "sasrec", "train", "sparse_adam", {"ranking_loss": "gbce", "negatives": 5, "shared_negatives": False},
    ),
    "two losses": ("adrec", "finetune", "rowwise_adagrad", SAMPLED),
    "frozen": ("adrec", "align", "rowwise_adagrad", {**SAMPLED, "embedding_decay": 0.3, "average_decay": 0.9}),
    "no ranking loss": ("dreamrec", "train", "rowwise_adagrad", {"ce_weight": 0.0}),
    "prefixes": ("diffurec", "train", "rowwise_adagrad", SAMPLED),
}  # fmt: skip


def training_of(case: str, processes: Processes | None = None) -> StageTraining:
    """A training with its table in blocks, or whole without processes."""
    model, stage, optimizer, changes = CASES[case]
    config = {"accumulate": 6, "embedding_optimizer": optimizer, "shard_items": processes is not None}
    network = {"item_dropout": 0.0, "repeats": "learned" if case == "adagrad" else "none"}
    if case in ("own negatives", "two losses"):
        network["scores"] = "cosine"
    several = {} if processes is None else {"processes": processes}
    if case == "prefixes":
        config["batch_size"], several["epochs"] = 100, 1
    return small_training(model, stage, network=network, config=config, **several, **changes)


def whole_of(training: StageTraining, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors put together from the blocks of all, in the first process."""
    with gather_blocks(training.blocks, tensors) as found:
        return {
            name: torch.cat([piece.clone() for piece in one]) if isinstance(one, Blockwise) else one.clone()
            for name, one in sorted(found.items())
        }


def ended(training: StageTraining) -> dict[str, torch.Tensor]:
    """The state after all steps, and the weights that are handed over."""
    losses = [event.losses for event in training.events() if hasattr(event, "losses")]
    state = whole_of(training, training.state()[0]) | whole_of(training, training.model.state_dict())
    return state | {f"loss {n}": torch.tensor(list(one.values())) for n, one in enumerate(losses)}


def require_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("adagrad", 3),
        *(pytest.param(case, count, marks=pytest.mark.thorough) for case in CASES for count in (1, 3)),
    ],
)
def test_weights_moments_and_losses_are_those_of_a_whole_table_to_the_byte(case, count):
    """Of the last step's parts not every process has one."""
    expected = ended(training_of(case))
    assert any(name.startswith("adam/") and name.endswith(TABLE) for name in expected) == (case != "frozen")
    require_same(in_threads(count, lambda one: ended(training_of(case, one)))[0], expected)


def test_each_process_keeps_its_share_of_all_that_has_a_row_per_item():
    """What `state` returns is all that is kept between steps; a gradient is of the rows in use."""

    def kept(processes: Processes) -> tuple[int, int]:
        training = training_of("own negatives", processes)
        for _ in training.events():
            pass
        blocks = training.blocks
        # As it is after an epoch whose weights are the best.
        training.best = training._copy_weights()
        large = {name: one for name, one in training.state()[0].items() if blocks.holds(name) and one.dim()}
        assert sorted(large) == [
            f"adam/exp_avg/{TABLE}",
            f"adam/exp_avg_sq/{TABLE}",
            f"best/{TABLE}",
            f"weight/{TABLE}",
        ]
        assert all(one.untyped_storage().nbytes() == one.nbytes for one in large.values())
        others = [*training.model.parameters(), *training.model.buffers()]
        assert all(one is blocks.weight or len(one) != blocks.rows for one in others if one.dim())
        return sum(one.nbytes for one in large.values()), blocks.unit * 16 * 4 * len(large)

    ((whole, _),) = in_threads(1, kept)
    shares = in_threads(3, kept)
    assert sum(share for share, _ in shares) == whole
    assert max(share for share, _ in shares) <= whole / 3 + shares[0][1]


@pytest.mark.parametrize(
    ("before", "after"), [(2, 3), *(pytest.param(*two, marks=pytest.mark.thorough) for two in ((3, 1), (1, 2)))]
)
def test_another_number_of_processes_goes_on_from_a_state(before, after):
    expected = ended(training_of("adagrad"))

    def stop(processes: Processes):
        training = training_of("adagrad", processes)
        events = training.events()
        for _ in range(3):
            next(events)
        tensors, text = training.state()
        return whole_of(training, tensors), text

    tensors, text = in_threads(before, stop)[0]

    def go_on(processes: Processes) -> dict[str, torch.Tensor]:
        training = training_of("adagrad", processes)
        training.restore({name: one.clone() for name, one in tensors.items()}, text)
        return ended(training)

    found = in_threads(after, go_on)[0]
    require_same(*({n: one for n, one in some.items() if not n.startswith("loss ")} for some in (found, expected)))


def test_a_state_in_blocks_is_written_as_a_whole_one(tmp_path: Path):
    def write(training: StageTraining, name: str) -> None:
        for _ in training.events():
            pass
        tensors, text = training.state()
        with gather_blocks(training.blocks, tensors) as whole:
            if training.processes.first:
                write_tensors(tmp_path / name, whole, text)

    write(training_of("adagrad"), "whole")
    in_threads(3, lambda one: write(training_of("adagrad", one), "blocks"))
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("read", [0, 1])
def test_what_fails_while_it_is_written_fails_in_all_and_nobody_waits(read):
    """The disk may be full before or after the first piece is read."""

    def write(processes: Processes) -> str:
        training = training_of("adagrad", processes)

        def fail() -> None:
            with gather_blocks(training.blocks, training.model.state_dict()) as whole:
                if processes.first:
                    for _ in range(read):
                        next(iter(whole[TABLE]))
                    raise StorageError("the disk is full")

        with pytest.raises(StorageError) as raised:
            fail()
        return raised.value.message

    assert in_threads(3, write) == ["the disk is full"] * 3


@pytest.mark.parametrize("what", ["gradient", "weight"])
def test_a_block_that_is_not_finite_ends_all(what):
    """Item 40 lies in the last process's block; the other ones do not see it."""

    def train(processes: Processes) -> str:
        training = training_of("adagrad", processes)
        step = training.optimizer.step

        def spoil(weight: torch.Tensor) -> None:
            if processes.rank == 2 and training.position.step == training.steps - 1:
                weight[-1] = float("nan")

        if what == "weight":
            training.optimizer.step = lambda: (step(), spoil(training.blocks.weight.data))
        else:
            take = ItemBlocks.send_gradient

            def send(blocks: ItemBlocks):
                rows, values = take(blocks)
                for one in values if processes.rank == 2 else []:
                    one.fill_(float("nan"))
                return rows, values

            training.blocks.send_gradient = send.__get__(training.blocks)
        with pytest.raises(DivergedError) as raised:
            list(training.events())
        return raised.value.message

    said = in_threads(3, train)
    assert len(set(said)) == 1
    assert TABLE in said[0]


def test_the_table_is_nowhere_whole_and_only_what_was_brought_is_looked_up():
    training = training_of("adagrad", Processes())
    with pytest.raises(RuntimeError, match="lie in blocks"):
        training.model.item_vectors_VD()
    training.blocks.bring(torch.tensor([[3, 7], [7, 0]]))
    brought = training.blocks.look_up(torch.tensor([7, 3, 0]))
    assert torch.equal(brought, training.blocks.weight[torch.tensor([7, 3, 0])])
    with pytest.raises(RuntimeError, match="not brought"):
        training.blocks.look_up(torch.tensor([3, 4]))
    training.blocks.bring_more(torch.tensor([4, 3]))
    training.blocks.look_up(torch.tensor([3, 4])).sum().backward()
    assert training.blocks.gradient.coalesce().indices()[0].tolist() == [3, 4]


def test_blocks_are_read_in_the_order_in_which_they_are_sent():
    training = training_of("own negatives", Processes())
    next(training.events())
    said = f"weight/{TABLE} is read before adam/exp_avg/{TABLE}"
    with gather_blocks(training.blocks, training.state()[0]) as whole, pytest.raises(RuntimeError, match=said):
        next(iter(whole[f"weight/{TABLE}"]))


@given(rows=st.integers(1, 5000), width=st.integers(1, 70), count=st.integers(1, 40))
def test_blocks_are_stretches_of_whole_units_that_hold_every_row_once(rows, width, count):
    bounds, unit = block_bounds(rows, width, count), unit_of(rows, width)
    assert bounds[0] == 0
    assert bounds[-1] == rows
    assert bounds == sorted(bounds)
    assert all(bound % unit == 0 for bound in bounds[:-1] if bound != rows)
    assert unit * width % 16 == 0
    assert max(end - begin for begin, end in itertools.pairwise(bounds)) <= rows / count + unit


@pytest.mark.parametrize(
    ("model", "network", "config", "changes", "message"),
    [
        ("sasrec", {}, {}, {"ranking_loss": "ce"}, "ranking_loss 'ce' uses all of them"),
        ("sasrec", {}, {"embedding_optimizer": "adam"}, {}, "'adam' steps all of them"),
        ("esasrec", {"item_dropout": 0.1}, {}, {}, "model.item_dropout touches all of them"),
        ("sasrec", {}, {}, {"average_decay": 0.9}, "does not go with average_decay"),
    ],
)
def test_what_needs_the_whole_table_is_refused_with_what_to_type(model, network, config, changes, message):
    with pytest.raises(UsageError, match=message) as raised:
        small_training(
            model, network={"item_dropout": 0.0, **network},
            config={"embedding_optimizer": "rowwise_adagrad", "shard_items": True, **config},
            **{**SAMPLED, **changes},
        )  # fmt: skip
    assert raised.value.hint
