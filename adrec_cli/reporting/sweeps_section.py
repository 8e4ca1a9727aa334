"""What sweeps and searches found: every run with its interval, and the best options."""

from __future__ import annotations

from collections.abc import Mapping

from adrec_cli.artifacts.sweep_files import SweepRecord
from adrec_cli.pages.markup import Content, Html, commands, element, join, paragraph, section, table
from adrec_cli.reporting.material import Material, SearchTold, SweepTold
from adrec_cli.reporting.pipeline_section import duration
from adrec_cli.reporting.results_section import difference_cells
from adrec_cli.sweeping.design import BASE
from adrec_cli.sweeping.option_keys import spell
from adrec_cli.sweeping.results import Summary, name_run
from adrec_cli.sweeping.trials import best_of
from adrec_cli.wording import say_count

_OTHERS = ("hr@10", "ndcg@10", "hr@20", "ndcg@20")
_SHOWN_TRIALS = 5


def sweeps_section(material: Material, pictures: Mapping[str, Html]) -> Html | None:
    """Return the section about sweeps and searches; None where there is none.

    Args:
        material: what was read.
        pictures: of sweeps, by name.
    """
    if not material.sweeps and not material.searches:
        return None
    told = [_sweep(one, pictures.get(one.record.name)) for one in material.sweeps]
    return section("sweeps", "Sweeps", *told, *map(_search, material.searches))


def _sweep(sweep: SweepTold, picture: Html | None) -> Html:
    record, summaries = sweep.record, sweep.summaries
    parts = list(dict.fromkeys(summary.part for summary in summaries))
    seeds = max(summary.seeds for summary in summaries)
    about = (
        f"{record.model}; means of {say_count(seeds, 'seed')}, intervals over seeds (Student’s t)."
        if seeds > 1
        else f"{record.model}; one seed, 95% intervals over users (bootstrap)."
    )
    failed = [
        paragraph(element("span", f"{run.get('run')} has no result: {run.get('error')}", class_="bad"))
        for run in record.failed
    ]
    return join(
        [
            element("h3", record.name),
            paragraph(about),
            picture,
            *(_runs([one for one in summaries if one.part == part], record) for part in parts),
            *failed,
            commands([record.command]),
        ]
    )


def _runs(summaries: list[Summary], record: SweepRecord) -> Html:
    found = {(one.run, one.metric): one for one in summaries}
    differences = {one.run: one for one in record.differences if one.part == summaries[0].part}
    runs = list(dict.fromkeys(one.run for one in summaries))
    metrics = [record.monitor, *(name for name in _OTHERS if name != record.monitor)]
    metrics = [name for name in metrics if all((run, name) in found for run in runs)]
    best = {name: max(found[run, name].mean for run in runs) for name in metrics}
    tested = [f"to {BASE}", "p"] if differences else []
    seeds = max(one.seeds for one in summaries)

    def row(run: str) -> list[Content]:
        values = [_value(found[run, name], best=best[name], interval=name == metrics[0]) for name in metrics]
        told = difference_cells(differences.get(run)) if tested else []
        return [
            name_run(found[run, metrics[0]], seeds),
            values[0],
            *told,
            *values[1:],
            duration(found[run, metrics[0]].training_seconds),
        ]

    first, *others = [name.upper() for name in metrics]
    columns = ["run", first, *tested, *others, "trained"]
    return table(columns, map(row, runs), right=columns[1:], caption=summaries[0].protocol)


def _value(summary: Summary, *, best: float, interval: bool) -> Html:
    value = element("span", f"{summary.mean:.4f}", class_="best" if summary.mean == best else None)
    bounds = f" [{summary.lower:.4f}, {summary.upper:.4f}]"
    return join([value, element("span", bounds, class_="interval") if interval else None])


def _search(search: SearchTold) -> Html:
    about, best = search.about, best_of(search.trials)
    states = [trial.state for trial in search.trials]
    counted = ", ".join(f"{states.count(state):,} {state}" for state in dict.fromkeys(states))
    keys = list(search.trials[0].chosen)
    ranked = sorted(search.trials, key=lambda trial: (trial.state != "done", -(trial.value or 0.0)))
    rows = [
        [
            str(trial.number),
            "" if trial.value is None else f"{trial.value:.4f}",
            trial.state,
            *(f"{value:.4g}" if isinstance(value, float) else spell(value) for value in map(trial.chosen.get, keys)),
            duration(trial.seconds),
        ]
        for trial in ranked[:_SHOWN_TRIALS]
    ]
    metric = str(about.get("monitor", "")).upper()
    told = f"{about.get('model')}: {say_count(len(states), 'trial')} ({counted})"
    told += f"; the best, trial {best.number}, has {metric} {best.value:.4f}." if best else "."
    columns = ["trial", metric, "state", *keys, "trained"]
    right = ["trial", metric, *keys, "trained"]
    return join(
        [
            element("h3", str(about.get("name"))),
            paragraph(told, " Values are of the epoch kept, on validation, so the best of many is a little too good."),
            table(columns, rows, right=right, caption=str(about.get("protocol", ""))),
            commands([str(about.get("command"))]),
        ]
    )
