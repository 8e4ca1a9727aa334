"""A model from outside that cannot learn what it is asked for is refused; none of adrec's is."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from adrec_cli.errors import UsageError
from adrec_cli.models.network_config import NetworkConfig
from adrec_cli.models.next_item import NextItemRecommender
from adrec_cli.models.registry import find_facts, find_model, list_trainable
from adrec_cli.models.soundness import require_sound
from adrec_cli.models.stages import ALL_AT_ONCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig(NetworkConfig):
    hidden_size: int = 16


class Plain(NextItemRecommender):
    """What follows an item, from that item alone."""

    name, title, config_type = "plain", "Plain", PlainConfig
    stages: ClassVar[Any] = {"train": ALL_AT_ONCE}

    def __init__(self, config, items):
        super().__init__(config, items)
        self.follower = nn.Linear(config.hidden_size, config.hidden_size)

    def components(self):
        return {"item_embedding": self.item_embedding, "encoder": self.follower}

    def initialize(self, component, generator):
        if component == "item_embedding":
            self.item_embedding.initialize(generator, 0.1)
        else:
            nn.init.xavier_normal_(self.follower.weight, generator=generator)
            nn.init.zeros_(self.follower.bias)

    def hidden_RLD(self, embedded_RLD, remaining_RL, mask_R1LL, generator):
        return self.follower(embedded_RLD)


def kind(change, **more: Any) -> type[NextItemRecommender]:
    """A model whose hidden vectors are what a function makes of embedded_RLD, the plain ones, and the generator."""

    def hidden_RLD(self, embedded_RLD, remaining_RL, mask_R1LL, generator):
        return change(embedded_RLD, self.follower(embedded_RLD), generator)

    return type("Other", (Plain,), {"hidden_RLD": hidden_RLD, **more})


def as_plain(x, h, generator):
    return h


def require_passes(
    model: type[NextItemRecommender], *, prefixes: bool = False, items: int = 23, **options: Any
) -> None:
    require_sound(model, model.config_type(**options), items, model.outputs[0], prefixes=prefixes)


LATER, OTHERS = "sees what comes later", "sees other people's items"
TRAINS, REPRESENTS = "trains otherwise every time", "represents a history otherwise every time"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, h, g: h.flip(1), LATER),
        (lambda x, h, g: h + x.mean(1, keepdim=True), LATER),
        (lambda x, h, g: h + 1e-3 * torch.roll(x, -1, 1), LATER),
        (lambda x, h, g: h + x.cumsum(1), OTHERS),
        (lambda x, h, g: torch.cat([h[:, :1], h[:, 1:] + x[:, :-1]], 1), OTHERS),
        (lambda x, h, g: h + x.mean(0, keepdim=True), "represents a history otherwise beside others"),
        (lambda x, h, g: h * torch.rand(()), TRAINS),
        (lambda x, h, g: nn.functional.dropout(h, 0.5) if g is not None else h, TRAINS),
        (lambda x, h, g: nn.functional.dropout(h, 0.5) if g is None else h, REPRESENTS),
        (lambda x, h, g: h[:, :, :8], r"gives token_outputs of shape \(15, 8\), not \(15, 16\)"),
        (lambda x, h, g: h / 0, "gives token_outputs that are not finite"),
        (lambda x, h, g: h if g is not None else h / 0, "gives represent that are not finite"),
        (lambda x, h, g: h[:, 0], "fails on a few short sequences: IndexError"),
        (lambda x, h, g: h.undefined, "fails on a few short sequences: AttributeError"),
    ],
)
def test_what_is_refused(change, said):
    with pytest.raises(UsageError, match=said):
        require_passes(kind(change))


def test_weights_that_no_seed_gives_again_are_refused():
    def initialize(self, component, generator):
        if component == "item_embedding":
            self.item_embedding.initialize(generator, 0.1)

    with pytest.raises(UsageError, match=r"does not draw follower\.weight, follower\.bias from the generator"):
        require_passes(kind(as_plain, initialize=initialize))


def test_a_prediction_from_the_answer_is_refused():
    def token_outputs(self, batch, *, output, generator):
        told = Plain.token_outputs(self, batch, output=output, generator=generator)
        return dataclasses.replace(told, predicted_ND=told.predicted_ND + self.item_embedding(told.targets_N))

    with pytest.raises(UsageError, match="sees the answer"):
        require_passes(kind(as_plain, token_outputs=token_outputs))
    # A diffusion over the last one's answer has a noisy copy of it.
    require_passes(kind(as_plain, token_outputs=token_outputs, sampled_outputs=("next_item",)))


FINE = [
    as_plain,
    lambda x, h, g: nn.functional.layer_norm(h, (16,)),
    lambda x, h, g: h.where(torch.rand(h.shape, generator=g) > 0.5, 0) if g is not None else h,
]


@given(length=st.integers(1, 30), items=st.integers(1, 30), change=st.sampled_from(FINE), prefixes=st.booleans())
def test_what_does_none_of_this_is_taken_at_any_length(length, items, change, prefixes):
    require_passes(kind(change), prefixes=prefixes, max_length=length, items=items)


def test_vectors_that_are_there_for_this_catalogue_alone_are_taken():
    """As somebody has them who loads what a language model says of the items."""

    def item_vectors_VD(self):
        return torch.arange(24.0 * 16).view(24, 16).sin()

    require_passes(kind(as_plain, item_vectors_VD=item_vectors_VD))
    with pytest.raises(UsageError, match=r"gives item_vectors_VD of shape \(24, 16\), not \(31, 16\)"):
        require_passes(kind(as_plain, item_vectors_VD=item_vectors_VD), items=30)


@given(length=st.integers(2, 30), items=st.integers(2, 30))
def test_what_comes_later_is_found_at_any_length(length, items):
    with pytest.raises(UsageError, match="sees what comes later"):
        require_passes(kind(lambda x, h, g: h + 0.1 * torch.roll(x, -1, 1)), max_length=length, items=items)


def test_positions_may_see_all_of_their_own_sequence_where_only_the_last_target_is_learned():
    def token_outputs(self, batch, *, output, generator):
        same_RLL = batch.segments_RL[:, :, None] == batch.segments_RL[:, None, :]
        mixed_RLD = same_RLL.float() @ self.item_embedding(batch.inputs_RL)
        told = Plain.token_outputs(self, batch, output=output, generator=generator)
        return dataclasses.replace(told, predicted_ND=batch.of_tokens(self.follower(mixed_RLD)))

    both_ways = kind(as_plain, token_outputs=token_outputs)
    require_passes(both_ways, prefixes=True)
    with pytest.raises(UsageError, match="sees what comes later"):
        require_passes(both_ways)


@pytest.mark.parametrize(
    ("name", "output"), [(name, output) for name in list_trainable() for output in find_facts(name).outputs]
)
def test_no_model_of_adrec_is_refused(name, output):
    model = find_model(name)
    for prefixes in {True, model.needs_prefixes}:
        for length in (1, 2, 3, 50):
            require_sound(model, model.config_type(max_length=length), 23, output, prefixes=prefixes)


def test_content_is_not_asked_for():
    model = find_model("sasrec")
    config = model.config_type(content="sum", content_width=4)
    require_sound(model, config, 23, "next_item", prefixes=False)
