"""How a comparison of models is shown: a table that fits the terminal, Markdown, or LaTeX."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Literal

from adrec_cli.cli.show.latex import escape_latex, list_latex_lines
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adrec_cli.comparing.side_by_side import ComparedModel, ModelComparison


COSTS = ["training", "CPU", "epochs", "tried", "ms/user", "parameters"]
_SIGNIFICANT: Final = 0.05


def show_comparison(
    terminal: Terminal, comparison: ModelComparison, *, markup: Literal["markdown", "latex"] | None
) -> None:
    """Print models, one per row, the best one first.

    Args:
        terminal: to print on.
        comparison: of the models.
        markup: what the table is written in; None for one that fits the terminal.
    """
    for reason in comparison.left_out:
        terminal.warn(reason)
    if terminal.as_json:
        terminal.document(asdict(comparison))
        return
    if markup == "markdown":
        for line in _markdown(comparison):
            terminal.line(line)
        return
    if markup == "latex":
        for line in _latex(comparison):
            # Whole: a comment that a terminal breaks would go on as text.
            terminal.command(line)
        return
    columns, rows = _table(comparison)
    title = f"{comparison.dataset}, {comparison.protocol}"
    # What a narrow terminal does without: the metrics behind the first one go before its test does.
    others = [name.upper() for name in comparison.metrics[1:]]
    optional = ["parameters", "ms/user", "tried", "epochs", "CPU", *reversed(others), "training", "p", "diff"]
    shown = [name for name in optional if name in columns]
    terminal.table(columns, rows, title=title, right=columns[1:], optional=shown)
    for line in _legend(comparison):
        terminal.line(line)


def _table(comparison: ModelComparison, *, intervals: bool = False) -> tuple[list[str], list[list[str]]]:
    first, *others = comparison.metrics
    tested = ["diff", "p"] if comparison.reference else []
    columns = ["model", first.upper(), *tested, *(name.upper() for name in others)]
    columns += COSTS
    rows = []
    for model in comparison.models:
        tests = _test(model, first, interval=intervals) if comparison.reference else []
        row = [model.name, _figure(model, first), *tests, *(_figure(model, name) for name in others)]
        rows.append([*row, *_costs(model)])
    return columns, rows


def _markdown(comparison: ModelComparison) -> list[str]:
    columns, rows = _table(comparison, intervals=True)
    columns[0] = f"{comparison.dataset}, `{comparison.protocol}`"
    if comparison.reference:
        columns[2] = f"difference to {comparison.reference}"
    best = {name: max(model.metrics[name] for model in comparison.models) for name in comparison.metrics}
    places = {comparison.metrics[0]: 1}
    last = len(columns) - len(COSTS)
    places |= {name: last - count for count, name in enumerate(reversed(comparison.metrics[1:]), 1)}
    for row, model in zip(rows, comparison.models, strict=True):
        for name, place in places.items():
            if model.metrics[name] == best[name]:
                row[place] = f"**{row[place]}**"
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), "", *_legend(comparison)]


def _latex(comparison: ModelComparison) -> list[str]:
    """Return the metrics as a table for a paper; what they cost is left out."""
    titles = _name_in_print(comparison.models)
    rows = [[escape_latex(titles[model.name])] for model in comparison.models]
    for name in comparison.metrics:
        # By the digits that are shown, so that no two equal figures are marked differently.
        ordered = sorted({round(model.metrics[name], 4) for model in comparison.models}, reverse=True)
        emphasis = dict(zip(ordered, ("textbf", "underline"), strict=False)) if len(ordered) > 1 else {}
        for row, model in zip(rows, comparison.models, strict=True):
            value, spread = escape_latex(_figure(model, name)).split(" ")
            macro = emphasis.get(round(model.metrics[name], 4))
            shown = rf"\{macro}{{{value}}}" if macro else value
            row.append(f"{shown}{_mark(model, name)} {spread}")
    notes = [f"Models on {comparison.dataset}.", *_explain_spread(comparison)]
    if len(comparison.models) > 1:
        notes.append("The best of each metric is bold, the second underlined.")
    caption = " ".join(map(escape_latex, notes))
    if comparison.reference:
        caption += " " + _explain_marks(comparison, titles[comparison.reference])
    caption += " " + escape_latex(_explain_protocol(comparison))
    columns = ["Model", *(escape_latex(name.upper()) for name in comparison.metrics)]
    return list_latex_lines(columns, rows, caption=caption, label=f"{comparison.dataset} {comparison.protocol}")


def _name_in_print(models: Sequence[ComparedModel]) -> dict[str, str]:
    """Return what models are called in a paper, by name; as they were asked for where two would be called the same."""
    from adrec_cli.models.registry import MODELS, find_facts

    names = {}
    for model in models:
        _, slash, stage = model.name.partition("/")
        title = find_facts(model.model).title if model.model in MODELS else model.model
        names[model.name] = f"{title} ({stage})" if slash else title
    return names if len(set(names.values())) == len(names) else {name: name for name in names}


def _mark(model: ComparedModel, metric: str) -> str:
    found = model.differences.get(metric)
    if found is None or found.p_holm >= _SIGNIFICANT:
        return ""
    return r"$^{\ast}$" if found.value > 0 else r"$^{\dagger}$"


def _explain_marks(comparison: ModelComparison, reference: str) -> str:
    tested = len(comparison.models) - 1
    return (
        rf"$^{{\ast}}$ is above and $^{{\dagger}}$ below {escape_latex(reference)} with $p < {_SIGNIFICANT:.2f}$ of a "
        f"paired randomisation test over users, in each metric corrected for {say_count(tested, 'comparison')} (Holm)."
    )


def _figure(model: ComparedModel, metric: str) -> str:
    if model.spread:
        half = model.spread[metric]
    else:
        low, high = model.intervals[metric]
        half = (high - low) / 2
    return _short(f"{model.metrics[metric]:.4f} ±{half:.4f}")


def _test(model: ComparedModel, metric: str, *, interval: bool) -> list[str]:
    found = model.differences.get(metric)
    if found is None:
        return ["", ""]
    bounds = f" [{found.low:+.4f}, {found.high:+.4f}]" if interval else ""
    return [_short(f"{found.value:+.4f}{bounds}"), _short(format_p(found.p_holm))]


def format_p(p: float) -> str:
    """Return a p-value as tables have it."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _short(figures: str) -> str:
    """Return figures below one without the zero before the point."""
    return figures.replace("0.", ".")


def _costs(model: ComparedModel) -> list[str]:
    from adrec_cli.cli.show.training_view import duration

    training, processor = (
        "-" if seconds is None else duration(seconds) for seconds in (model.training_seconds, model.processor_seconds)
    )
    epochs = "-" if model.epochs is None else f"{model.epochs:.0f}"
    tried = str(model.tried) if model.seeds else "-"
    return [training, processor, epochs, tried, f"{1000 * model.seconds_per_user:.2f}", f"{model.parameters:,}"]


def _legend(comparison: ModelComparison) -> list[str]:
    lines = _explain_spread(comparison)
    if comparison.reference:
        tested = say_count(len(comparison.models) - 1, "comparison")
        lines.append(
            f"Differences in {comparison.metrics[0].upper()} to {comparison.reference}; p of a paired randomisation "
            f"test, corrected for {tested} (Holm)."
        )
    lines.append("Training and CPU are of one training; tried is how many settings sweeps and searches have tried.")
    return [*lines, *_tell_uneven(comparison), _explain_protocol(comparison)]


def _tell_uneven(comparison: ModelComparison) -> list[str]:
    """Return a line where some models were searched more than others; none where all were searched alike."""
    tried = {model.model: model.tried for model in comparison.models if model.seeds}
    if len(set(tried.values())) < 2:
        return []
    counts = ", ".join(f"{name} {count:,}" for name, count in tried.items())
    return [f"Models were not searched alike ({counts} settings); adrec tune --space searches each alike."]


def _explain_spread(comparison: ModelComparison) -> list[str]:
    seeds = sorted({seed for model in comparison.models if model.spread for seed in model.seeds})
    if not seeds:
        return ["Behind ± half of the 95% interval, a bootstrap over users."]
    told = ", ".join(map(str, seeds))
    return [
        f"Means over the seeds {told}; behind ± their standard deviation, for a single model half of the",
        "95% interval over users.",
    ]


def _explain_protocol(comparison: ModelComparison) -> str:
    against = f"; negatives: {comparison.negatives_source}" if comparison.negatives_source else ""
    return f"Protocol {comparison.protocol}, {say_count(comparison.users, 'user')}{against}."
