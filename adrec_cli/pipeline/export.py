"""`adrec export`: a model as one graph from histories to scores, for ONNX Runtime or `torch.export`."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import file_sha256, replacing, write_bytes
from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.artifacts.outputs import require_free_output, require_no_source
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Recommender
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.registry import MODELS
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.recommending.graph_options import ALL_SCORES, GraphOptions
from adrec_cli.schema import ITEM_ID, PAD
from adrec_cli.wording import option, say_count

TOLERANCE = 1e-4
SUFFIXES = {".onnx": "onnx", ".pt2": "torch"}
INPUTS = ("items", "lengths")
OUTPUTS = ("scores", "recommended")
"""Names of what goes into a graph and comes out of it; without k only the scores do."""
_HISTORIES = "histories"
"""Name of the dimension whose size is open."""
_MADE_OF_FILE = "adrec.json"
"""What a `.pt2` holds beside its graph, and ONNX among its metadata."""
_MOST_IN_ONE_FILE = 2**31 - 2**24
"""Bytes of weights that an ONNX file holds, which cannot have 2 GB; larger ones lie in a file beside it."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        path: the graph; items_path: raw ids in the order of its scores, as JSON.
        data_path: the weights of a graph that are too large to lie in it.
        difference: greatest, between its scores and ours.
    """

    dataset: str
    model: str
    checkpoint_sha256: str
    path: Path
    items_path: Path
    data_path: Path | None
    difference: float


class Scorer(nn.Module):
    """Histories of one fixed length, padded behind, to the scores of all items, or to the best of them."""

    def __init__(self, model: SequentialRecommender, options: GraphOptions = ALL_SCORES) -> None:
        super().__init__()
        self.model = model
        self.options = options
        for name, constant in model.export_constants().items():
            self.register_buffer(name, constant)

    def forward(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return scores_BV, or with `options.k` scores_BK, best first, and item numbers_BK.

        Padding, in column 0, scores minus infinity, and so do items of the history that may not be among the best.

        Args:
            items_BL: int64, oldest first, 0 from lengths_B on.
            lengths_B: int64, at least 1.
        """
        constants = dict(self.named_buffers(recurse=False))
        hidden_BLD = self.model.export_hidden_BLD(items_BL, lengths_B, constants)
        last_B11 = (lengths_B - 1)[:, None, None]
        last_BD = hidden_BLD.gather(1, last_B11.expand(-1, 1, hidden_BLD.shape[2])).squeeze(1)
        scores_BV = self.model.comparison(last_BD) @ self.model.comparison(self.model.item_vectors_VD()).T
        bias = self.model.history_bias(HistoryBatch(items_BL=items_BL, lengths_B=lengths_B))
        if bias is not None:
            scores_BV = scores_BV.scatter_add(1, bias.items_NS, bias.values_NS)
        scores_BV = torch.cat([torch.full_like(scores_BV[:, :1], float("-inf")), scores_BV[:, 1:]], dim=1)
        if self.options.k is None:
            return scores_BV
        if not self.options.include_seen:
            scores_BV = scores_BV.scatter(1, items_BL, float("-inf"))
        best = scores_BV.topk(self.options.k, dim=1)
        return best.values, best.indices


def export(
    out: Path,
    *,
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: GraphOptions = ALL_SCORES,
) -> Exported:
    """Write the graph of a model and the ids of its items, after comparing its scores with ours.

    Args:
        out: `.onnx`, or `.pt2` for `torch.export`.
        workspace, dataset_name, model: as `recommend`.
        options: what the graph gives.

    Raises:
        UsageError: another suffix or model, more items than there are, the file is an artifact, or the extra `export`
            is not installed.
        ArtifactError: no model, or a damaged one, or the graph's scores differ from ours.
    """
    if out.suffix not in SUFFIXES:
        raise UsageError(
            f"{out}: its name does not say what to write",
            hint=f"end it in .onnx or .pt2, or give {option('vectors', 'items')} with .parquet or .npy",
        )
    items_path = out.with_name(f"{out.stem}.items.json")
    recommender = Opening(
        workspace=workspace, dataset_name=dataset_name, model=model, device="cpu", threads=None
    ).open()
    network, output = recommender.model, recommender.checkpoint.metadata.output
    _require_exportable(network, output, options)
    data_path = _data_path(out, network, recommender.checkpoint.sha256)
    for path in (out, items_path, *([data_path] if data_path else [])):
        require_free_output(path)
        require_no_source(path, recommender.manifest.sources)
    made_of = _describe(recommender, options)
    difference = _write_graph(out, data_path, network, output, options, made_of)
    content = {
        **made_of,
        "sha256": file_sha256(out),
        **({"data": data_path.name, "data_sha256": file_sha256(data_path)} if data_path else {}),
        "item_ids": [None, *recommender.items[ITEM_ID].to_list()],
    }
    write_bytes(items_path, (json.dumps(content) + "\n").encode())
    return Exported(
        dataset=recommender.dataset,
        model=network.name,
        checkpoint_sha256=recommender.checkpoint.sha256,
        path=out,
        items_path=items_path,
        data_path=data_path,
        difference=difference,
    )


def _write_graph(
    out: Path,
    data_path: Path | None,
    network: SequentialRecommender,
    output: str,
    options: GraphOptions,
    made_of: Mapping[str, Any],
) -> float:
    """Write the graph, and its weights beside it where they are too many, and return by how much its scores differ."""
    program = _program(network, options)
    with replacing(out) as temporary, _remove_unless_whole(data_path):
        if out.suffix == ".onnx":
            run = _write_onnx(program, temporary, made_of, data_path.name if data_path else None)
        else:
            run = _write_torch(program, temporary, made_of)
        difference = _measure_difference(network, output, run, options)
        if not difference <= TOLERANCE:
            raise ArtifactError(f"the graph's scores differ from ours by {difference:.2g}", hint="report this")
    return difference


def _require_exportable(network: SequentialRecommender, output: str, options: GraphOptions) -> None:
    if output not in network.exported_outputs:
        usable, _ = MODELS.load_all()
        can = [f"{name} ({', '.join(outputs)})" for name, one in usable.items() if (outputs := one.exported_outputs)]
        raise UsageError(f"{network.name} ({output}) cannot be exported", hint=f"what can: {', '.join(can)}")
    if network.reads_times:
        raise UsageError(
            f"{network.name} reads when events were (model.times is 'gaps'), which a graph has no input for",
            hint=f"train one without: {option('set', 'model.times=none')}",
        )
    items = len(network.item_vectors_VD()) - 1
    if options.k is not None and options.k > items:
        raise UsageError(f"{option('k', options.k)} is more than the {say_count(items, 'item')} there are")


def _describe(recommender: Recommender, options: GraphOptions) -> dict[str, Any]:
    """Return what a graph was made of, for whoever finds it."""
    metadata = recommender.checkpoint.metadata
    return {
        "model": metadata.model,
        "dataset": recommender.dataset,
        "checkpoint_sha256": recommender.checkpoint.sha256,
        "items_sha256": metadata.items_sha256,
        "item_ids_sha256": ids_sha256(recommender.items[ITEM_ID]),
        "max_length": recommender.model.max_length,
        "k": options.k,
        "include_seen": options.k is None or options.include_seen,
        "adrec_version": __version__,
    }


def _data_path(out: Path, network: SequentialRecommender, sha256: str) -> Path | None:
    """Return where weights lie that are too large for their graph, named by the checkpoint; None for the others."""
    size = sum(weight.nbytes for weight in network.state_dict().values())
    large = out.suffix == ".onnx" and size > _MOST_IN_ONE_FILE
    return out.with_name(f"{out.stem}.{sha256[:16]}.data") if large else None


@contextlib.contextmanager
def _remove_unless_whole(data_path: Path | None) -> Iterator[None]:
    """Remove weights whose graph was not written; those of an earlier graph stay, which may still be in use."""
    if data_path is None:
        yield
        return
    before = data_path.exists()
    try:
        yield
    except BaseException:
        if not before:
            data_path.unlink(missing_ok=True)
        raise


Run = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]


def _program(network: SequentialRecommender, options: GraphOptions = ALL_SCORES) -> Any:
    """Trace a model; the number of histories stays open."""
    example = _histories(network, 3)
    histories = torch.export.Dim(_HISTORIES, min=1, max=65_536)
    network.requires_grad_(False).eval()
    return torch.export.export(
        Scorer(network, options).eval(),
        (example.items_BL, example.lengths_B),
        dynamic_shapes=({0: histories}, {0: histories}),
    )


def _write_torch(program: Any, path: Path, made_of: Mapping[str, Any]) -> Run:
    with open(path, "wb") as file:
        torch.export.save(program, file, extra_files={_MADE_OF_FILE: json.dumps(made_of)})
    with open(path, "rb") as written:
        module = torch.export.load(written).module()

    def run(items_BL: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = module(items_BL, lengths_B)
        return found if isinstance(found, tuple) else (found,)

    return run


def _write_onnx(program: Any, path: Path, made_of: Mapping[str, Any], data_name: str | None) -> Run:
    try:
        import onnxruntime
        import onnxscript
    except ModuleNotFoundError as error:
        raise UsageError(
            "exporting to ONNX needs onnx, onnxruntime and onnxscript", hint="pip install 'adrec-cli[export]'"
        ) from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    outputs = OUTPUTS if made_of["k"] else OUTPUTS[:1]
    with warnings.catch_warnings():
        # Those of the exporter about its own workings; what it makes is compared below.
        warnings.simplefilter("ignore")
        made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=INPUTS, output_names=outputs)
    assert made is not None
    _name_open_dimension(made.model.graph)
    made.model.metadata_props.update({name: json.dumps(value).strip('"') for name, value in made_of.items()})
    onnxscript.ir.save(made.model, str(path), external_data=data_name)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(items_BL: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = session.run(outputs, dict(zip(INPUTS, (items_BL.numpy(), lengths_B.numpy()), strict=True)))
        return tuple(torch.from_numpy(one) for one in found)

    return run


def _name_open_dimension(graph: Any) -> None:
    """Call the size that is open by its name, which the exporter does not keep."""
    given = str(graph.inputs[0].shape[0])
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        for axis, size in enumerate(value.shape or ()):
            if str(size) == given:
                value.shape[axis] = _HISTORIES


def _measure_difference(
    network: SequentialRecommender, output: str, run: Run, options: GraphOptions = ALL_SCORES
) -> float:
    """Return the greatest difference between a graph's scores and those `recommend` ranks by."""
    found = []
    for count in (1, 2, 64):
        histories = _histories(network, count)
        representation_BD = network.represent(
            histories, output=output, sampling=FAST_SAMPLING, generator=torch.Generator()
        )
        ours_BV = network.comparison(representation_BD) @ network.comparison(network.item_vectors_VD().detach()).T
        if bias := network.history_bias(histories):
            bias.add_to(ours_BV, first=0)
        theirs, *numbers = run(histories.items_BL, histories.lengths_B)
        if options.k is None:
            ours, theirs = ours_BV[:, 1:], theirs[:, 1:]
        else:
            ours_BV[:, PAD] = -torch.inf
            if not options.include_seen:
                ours_BV.scatter_(1, histories.items_BL, -torch.inf)
            # The best scores, and that those are of the items that are said to have them.
            ours = torch.cat([ours_BV.topk(options.k).values, ours_BV.gather(1, numbers[0])], dim=1)
            theirs = torch.cat([theirs, theirs], dim=1)
        # Equal infinities differ by nothing.
        differences = torch.where(ours == theirs, 0.0, (ours - theirs).abs())
        found.append(differences.max())
    # PyTorch's maximum, which is NaN where a score is.
    return float(torch.stack(found).max())


def _histories(network: SequentialRecommender, count: int) -> HistoryBatch:
    """Draw histories of all lengths; equal counts give equal ones."""
    random = np.random.default_rng(count)
    lengths = random.integers(1, network.max_length + 1, size=count)
    items = random.integers(1, len(network.item_vectors_VD()), size=(count, network.max_length))
    items[np.arange(network.max_length) >= lengths[:, None]] = PAD
    return HistoryBatch(items_BL=torch.from_numpy(items), lengths_B=torch.from_numpy(lengths))
