"""How good the models are: a table a protocol, with intervals, tests against the best baseline, slices and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adrec_cli.artifacts.damaged import read_each
from adrec_cli.artifacts.evaluation import Evaluation, read_ranks_of
from adrec_cli.artifacts.evaluation_sets import comparable_groups, find_training_seed
from adrec_cli.artifacts.ranks import TargetRanks
from adrec_cli.artifacts.sweep_files import RunDifference
from adrec_cli.artifacts.training_log import TrainingCosts
from adrec_cli.comparing.side_by_side import ComparedModel, Measured, ModelComparison, put_side_by_side
from adrec_cli.errors import ArtifactError
from adrec_cli.pages.markup import Content, Html, element, join, paragraph, section, table
from adrec_cli.ranking.significance import Difference
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.pipeline_section import duration
from adrec_cli.sweeping.command_line import find_unusual_sampling
from adrec_cli.wording import command_anywhere, say_count

METRICS = ("ndcg@10", "hr@10", "ndcg@5", "hr@5", "ndcg@20", "hr@20")
_LIST_METRICS = ("coverage@10", "gini@10", "novelty@10", "popularity@10", "diversity@10")
_SIGNIFICANT = 0.05


def results_section(material: Material, pictures: Sequence[Html]) -> Html:
    """Return the section about evaluations, with pictures of slices."""
    name = material.dataset.manifest.dataset
    groups = comparable_groups(material.evaluations)
    if not groups:
        return section("results", "Results", paragraph(f"Nothing is evaluated yet: {command_anywhere('run', name)}"))
    told = [_protocol(material, group) for group in groups]
    about = (
        "Figures of different protocols cannot be compared. Bounds in brackets are 95% intervals over users, by "
        "bootstrap. Differences are paired, user by user; p is of a randomisation test, corrected after Holm for the "
        "number of models."
    )
    return section("results", "Results", paragraph(about), *told, *pictures)


def _protocol(material: Material, group: Sequence[Evaluation]) -> Html:
    """Return the table of one protocol; models whose ranks are damaged are noted and left out."""
    first = group[0]
    whole = list(read_each(group, _read_ranks, material.left_out))
    measured = _measure(material, whole)
    headline = element("h3", element("code", first.protocol))
    drawn = f"Sampled items: {first.negatives_source}." if first.negatives_source else None
    if not measured:
        return join([headline, paragraph("Nothing that is whole.")])
    found = put_side_by_side(first.dataset, measured, metrics=METRICS, against=None, left_out=[])
    about = f"{say_count(found.users, 'user')}, {say_count(found.cases, 'target')}. "
    if any(model.spread for model in found.models):
        about += "Of several seeds the mean of each user counts; behind ± is their standard deviation. "
    return join([headline, paragraph(about, drawn or ""), _models(found), _slices(group), _lists(group)])


def _read_ranks(evaluation: Evaluation) -> TargetRanks:
    ranks = read_ranks_of(evaluation)
    if ranks is None:
        raise ArtifactError(f"{evaluation.path} has changed since it was read", hint="run the same command again")
    return ranks


def _measure(material: Material, whole: Sequence[tuple[Evaluation, TargetRanks]]) -> list[Measured]:
    """Return the models evaluated, each once: trainings with seeds of their own are one, whose mean counts."""
    seeded: dict[str, list[tuple[Evaluation, TargetRanks]]] = {}
    for one, ranks in whole:
        if find_training_seed(one) is not None:
            seeded.setdefault(_name(one), []).append((one, ranks))
    among_seeds = {one.checkpoint_sha256 for group in seeded.values() for one, _ in group}
    rows = [
        (_name(one), [(one, ranks)])
        for one, ranks in whole
        if find_training_seed(one) is None and one.checkpoint_sha256 not in among_seeds
    ]
    rows += [(f"{name}, {len(group)} seed{'s' * (len(group) > 1)}", group) for name, group in seeded.items()]
    return [
        Measured(
            name=name,
            model=group[0][0].model,
            seeds=[find_training_seed(one) or 0 for one, _ in group],
            costs=[_find_costs(material, one) for one, _ in group],
            evaluations=[one for one, _ in group],
            ranks=[ranks for _, ranks in group],
        )
        for name, group in rows
    ]


def _name(evaluation: Evaluation) -> str:
    """Return a model with its stage, and what is not usual in how it was sampled."""
    name = f"{evaluation.model} {evaluation.stage}".strip() if evaluation.stage != "train" else evaluation.model
    return ", ".join([name, *(f"{key} {value}" for key, value in find_unusual_sampling(evaluation.sampling).items())])


def tell_seed(evaluation: Evaluation) -> str:
    """Return which of several trainings was evaluated, such as ", seed 43"; "" for the model itself."""
    seed = find_training_seed(evaluation)
    return "" if seed is None else f", seed {seed}"


def _find_costs(material: Material, evaluation: Evaluation) -> TrainingCosts | None:
    """Return what a model's stages took up to the one evaluated, where that is the one there is now."""
    total = TrainingCosts(epochs=0, seconds=0.0, processor_seconds=None)
    for stage in material.models.get(evaluation.model, []):
        total = total.plus(TrainingCosts(epochs=stage.epochs, seconds=stage.seconds, processor_seconds=None))
        if stage.sha256 == evaluation.checkpoint_sha256:
            return total
    return None


def _models(found: ModelComparison) -> Html:
    best = {name: max(model.metrics[name] for model in found.models) for name in METRICS}
    decisive = METRICS[0]
    tested = [f"to {found.reference}", "p"] if found.reference else []
    others = [name.upper() for name in METRICS[1:]]
    columns = ["model", decisive.upper(), *tested, *others, "trained", "ms a user", "parameters"]

    def row(model: ComparedModel) -> list[Content]:
        cells: list[Content] = [model.name, _value(model, decisive, best=best[decisive], interval=True)]
        cells += difference_cells(model.differences.get(decisive)) if found.reference else []
        cells += [_value(model, name, best=best[name], interval=False) for name in METRICS[1:]]
        seconds = model.training_seconds
        cells.append("" if seconds is None or not model.parameters else duration(seconds))
        return [*cells, f"{model.seconds_per_user * 1000:.2f}", f"{model.parameters:,}"]

    return table(columns, map(row, found.models), right=columns[1:])


def _value(model: ComparedModel, metric: str, *, best: float, interval: bool) -> Html:
    value = model.metrics[metric]
    low, high = model.intervals[metric]
    spread = f" ±{model.spread[metric]:.4f}" if model.spread else ""
    bounds = element("span", f" [{low:.4f}, {high:.4f}]", class_="interval") if interval else None
    return join([element("span", f"{value:.4f}", class_="best" if value == best else None), spread, bounds])


def difference_cells(found: Difference | RunDifference | None) -> list[Content]:
    """Return the cells of a difference with its interval, and of its p; both empty without one."""
    if found is None:
        return ["", ""]
    kind = None
    if found.p_holm < _SIGNIFICANT:
        kind = "good" if found.value > 0 else "bad"
    bounds = element("span", f" [{found.low:+.4f}, {found.high:+.4f}]", class_="interval")
    p = "<.001" if found.p_holm < 0.001 else f"{found.p_holm:.3f}"
    return [join([element("span", f"{found.value:+.4f}", class_=kind), bounds]), p]


def _slices(group: Sequence[Evaluation]) -> Html | None:
    names = list(dict.fromkeys(name for one in group for name in one.slices))
    if not names:
        return None

    def cell(evaluation: Evaluation, name: str) -> Content:
        part = evaluation.slices.get(name, {})
        value = part.get("metrics", {}).get(METRICS[0])
        if value is None:
            return ""
        low, high = part["intervals"][METRICS[0]]
        return join([f"{value:.4f}", element("span", f" [{low:.4f}, {high:.4f}]", class_="interval")])

    definitions = {name: part["definition"] for one in group for name, part in one.slices.items()}
    about = facts_line(definitions)
    rows = [[_name(one) + tell_seed(one), *(cell(one, name) for name in names)] for one in group]
    told = element("summary", f"{METRICS[0].upper()} by slice")
    caption = f"{METRICS[0].upper()} on {group[0].protocol}, 95% intervals"
    return element("details", told, table(["model", *names], rows, right=names, caption=caption), about)


def facts_line(definitions: Mapping[str, str]) -> Html:
    """Return what names mean, in one small paragraph."""
    return element("p", "; ".join(f"{name}: {told}" for name, told in definitions.items()), class_="note")


def _lists(group: Sequence[Evaluation]) -> Html | None:
    measured = [one for one in group if one.beyond_accuracy]
    names = [name for name in _LIST_METRICS if any(name in one.beyond_accuracy for one in measured)]
    if not names:
        return None

    def cell(evaluation: Evaluation, name: str) -> str:
        return f"{evaluation.beyond_accuracy[name]:.4g}" if name in evaluation.beyond_accuracy else ""

    rows = [[_name(one) + tell_seed(one), *(cell(one, name) for name in names)] for one in measured]
    told = element("summary", "What the lists are like")
    caption = f"Lists on {group[0].protocol}"
    return element("details", told, table(["model", *names], rows, right=names, caption=caption))
