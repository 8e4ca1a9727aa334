"""What is known of a model without its network, and so without PyTorch, which takes a second to import."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.models.stages import Stage, TrainingConfig


class ModelFacts:
    """What adrec knows of a model before there is a network.

    Attributes:
        name: registered.
        title: as its paper writes it.
        config_type: the dataclass of its options.
        stages: of its training, in the order they run in, each from the one before; none where nothing is trained.
        default_training: the options that its stages share, unless its user has others.
        ablations: what can be taken away from it, by name: a preset that does so, or tables of options.
        colour: in all pictures, such as "#0072B2"; "" for one of those that are left.
        mapped: its item vectors are among those that maps show beside each other.
        outputs: what can be trained and ranked by.
        sampled_outputs: those that come out of a reverse diffusion, which `Sampling` steers.
        needs_prefixes: a position may see later ones, so that only the last target of a sequence can be learned, and
            every prefix of a history is a sample of its own.
        unread_options: by output, options of the configuration on which nothing depends that is computed for this
            output: no fresh weight, no gradient, no score. Runs that differ in them alone share a stage.
        exported_outputs: those that `export_hidden_BLD` computes.
        recordable: `represent_from` asks the device nothing, so that it can be recorded as a CUDA graph.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config_type: ClassVar[type[Any]]
    stages: ClassVar[Mapping[str, Stage]]
    default_training: ClassVar[TrainingConfig] = TrainingConfig()
    ablations: ClassVar[Mapping[str, str | Mapping[str, Any]]] = MappingProxyType({})
    colour: ClassVar[str] = ""
    mapped: ClassVar[bool] = True
    outputs: ClassVar[tuple[str, ...]]
    sampled_outputs: ClassVar[tuple[str, ...]] = ()
    needs_prefixes: ClassVar[bool] = False
    unread_options: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    exported_outputs: ClassVar[tuple[str, ...]] = ()
    recordable: ClassVar[bool] = False


class NextItemFacts(ModelFacts):
    """What models share whose hidden vector at a position is compared with the next item's."""

    outputs: ClassVar[tuple[str, ...]] = ("next_item",)
    exported_outputs: ClassVar[tuple[str, ...]] = ("next_item",)
    recordable: ClassVar[bool] = True
