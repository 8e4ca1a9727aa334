"""A model card in the form of the Hugging Face Hub: a head in YAML, and Markdown below it, from what artifacts say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.evaluation_sets import comparable_groups
from adrec_cli.artifacts.harmless_text import harmless, harmless_json
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.models.registry import find_facts
from adrec_cli.reporting.data_section import describe_concentration, describe_source
from adrec_cli.reporting.material import Material, StageTold
from adrec_cli.reporting.reproduction import evaluate_command, preprocess_command, train_command
from adrec_cli.reporting.results_section import METRICS
from adrec_cli.schema import CATEGORY, COUNT, TITLE
from adrec_cli.wording import command_anywhere, say_count


@dataclass(frozen=True, kw_only=True)
class Described:
    """The model that a card is about.

    Attributes:
        material: of its data set.
        stages: that were trained for it, in their order; the last one is the model.
        licence: of the weights, as the Hub spells it; "" where nobody has chosen one.
    """

    material: Material
    stages: Sequence[StageTold]
    licence: str = ""

    @property
    def stage(self) -> StageTold:
        """The one that recommends."""
        return self.stages[-1]

    @property
    def manifest(self) -> Manifest:
        """Of the data set."""
        return self.material.dataset.manifest

    @property
    def path(self) -> str:
        """Of the checkpoint, from a folder that holds the workspace."""
        return f"workspace/{self.manifest.dataset}/{self.stage.path}"

    def groups(self) -> Iterator[tuple[Evaluation, list[Evaluation]]]:
        """Yield each evaluation of the model, and those of models without a checkpoint that stand beside it."""
        for group in comparable_groups(self.material.evaluations):
            for one in group:
                if one.checkpoint_sha256 == self.stage.sha256:
                    yield one, [other for other in group if not other.checkpoint_sha256]


def write_card(described: Described) -> str:
    """Return the card; the same artifacts give the same text."""
    title = find_facts(described.stage.metadata.model).title
    name = described.manifest.dataset
    parts = [
        f"# {_plain(title)} on {_plain(name)}",
        f"A sequential recommender: from the items of a history, in their order, it ranks the "
        f"{say_count(described.stage.metadata.item_count, 'item')} of "
        f"the data set {_plain(name)} by how likely each comes next. "
        f"It is stage `{described.stage.metadata.stage}` of {_plain(title)}, trained with adrec "
        f"{described.stage.metadata.adrec_version}.",
        *_tell_use(described),
        *_tell_results(described),
        *_tell_data(described),
        *_tell_training(described),
        *_tell_limits(described),
    ]
    return f"---\n{_head(described, title)}---\n\n" + "\n\n".join(parts) + "\n"


def _head(described: Described, title: str) -> str:
    """Return the YAML. What JSON writes in one line is YAML too, whatever a text holds."""
    model = described.stage.metadata.model
    lines: dict[str, Any] = {
        **({"license": described.licence} if described.licence else {}),
        "library_name": "adrec",
        "tags": ["recommendation", "sequential-recommendation", model],
        "metrics": list(dict.fromkeys(name.partition("@")[0] for name in METRICS)),
        "model-index": [{"name": title, "results": [_index(ours) for ours, _ in described.groups()]}],
    }
    return "".join(f"{key}: {harmless_json(json.dumps(value, ensure_ascii=False))}\n" for key, value in lines.items())


def _index(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "task": {"type": "sequential-recommendation", "name": "Next-item recommendation"},
        "dataset": {"type": evaluation.dataset, "name": evaluation.dataset, "config": evaluation.protocol},
        "metrics": [
            {"type": name, "name": name.upper(), "value": round(evaluation.metrics[name], 6)} for name in METRICS
        ],
    }


def _tell_use(described: Described) -> list[str]:
    metadata = described.stage.metadata
    name = described.manifest.dataset
    shell = command_anywhere("recommend", dataset=name, model=metadata.model, user="ID", k=10)
    python = (
        "from adrec_cli import load_recommender\n\n"
        f'recommender = load_recommender("{described.path}")\n'
        'recommender.recommend(history=["ITEM", "ITEM"], k=10)'
    )
    return ["## Use", f"```sh\n{shell}\n```", f"```python\n{python}\n```"]


def _tell_results(described: Described) -> list[str]:
    parts = ["## Results"]
    for ours, others in described.groups():
        parts.append(
            f"Protocol `{ours.protocol}`, {say_count(ours.users, 'user')}; "
            "in brackets 95% intervals over users, by bootstrap."
        )
        rows = [[one.model, *(_figure(one, name) for name in METRICS)] for one in (ours, *others)]
        parts.append(_table(["model", *(name.upper() for name in METRICS)], rows))
    if len(parts) == 1:
        parts.append(f"Not measured yet: `{command_anywhere('evaluate', described.path)}`")
    return parts


def _figure(evaluation: Evaluation, name: str) -> str:
    low, high = evaluation.intervals[name]
    return f"{evaluation.metrics[name]:.4f} [{low:.4f}, {high:.4f}]"


def _tell_data(described: Described) -> list[str]:
    found = described.manifest.statistics
    facts = {
        **describe_source(described.manifest),
        "users, items, interactions": f"{found['users']:,}, {found['items']:,}, {found['interactions']:,}",
        "first and last event": ", ".join(str(found.get(end) or "")[:10] for end in ("first_time", "last_time")),
        "sequences sha256": described.manifest.sequences_sha256,
        "items sha256": described.manifest.items_sha256,
    }
    return ["## Data", _table(["", ""], [[_plain(key), _plain(value)] for key, value in facts.items()])]


def _tell_training(described: Described) -> list[str]:
    rows = [
        [
            f"`{stage.metadata.stage}`", str(stage.metadata.epoch), str(stage.epochs), f"{stage.seconds:.0f}",
            f"`{stage.sha256}`",
        ]
        for stage in described.stages
    ]  # fmt: skip
    last = described.stage.metadata
    has_item_file = any(name in described.material.dataset.items.columns for name in (TITLE, CATEGORY))
    lines = [
        preprocess_command(described.manifest, has_item_file=has_item_file),
        train_command(last),
        *(evaluate_command(ours) for ours, _ in described.groups()),
    ]
    return [
        "## Training",
        _table(["stage", "best epoch", "epochs", "seconds", "sha256"], rows),
        f"Seed {last.seed}, CPU threads {last.threads}, PyTorch {last.torch_version}. The same again:",
        _fence("sh", "\n".join(harmless(line) for line in lines)),
        "All options of the network:",
        _fence("json", harmless_json(json.dumps(last.config, indent=2, ensure_ascii=False, sort_keys=True))),
    ]


def _tell_limits(described: Described) -> list[str]:
    counts = described.material.dataset.items[COUNT].to_numpy()
    return [
        "## Limits",
        "- It was measured on what people went on to take, not on what they would have taken had they been shown it.\n"
        "- It knows the items above and no later ones"
        + (", unless they come with content.\n" if described.stage.metadata.content else ".\n")
        + f"- It learned who takes what, popularity included. {describe_concentration(counts)}\n"
        "- `sequences.parquet`, in the data set's folder, holds the histories of people: think before you publish it.",
    ]


def _fence(kind: str, text: str) -> str:
    """Return a block of code that nothing in it can end."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}{kind}\n{text}\n{ticks}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(text: object) -> str:
    """Return text that Markdown shows as it stands, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#&!~])", r"\\\1", harmless(" ".join(str(text).split())))
