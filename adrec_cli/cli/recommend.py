"""`adrec recommend`."""

from __future__ import annotations

import csv
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName, SharingUsers
from adrec_cli.cli.options.declared import Declared
from adrec_cli.cli.recommend_many import recommend_many
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.recommending.batch_options import AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.recommend import Recommendation, Recommendations
    from adrec_cli.recommending.explaining import Explanation


EXAMPLES: Final = (
    "adrec recommend --user 42",
    'adrec recommend --history "milk,bread" -k 5 --json',
    "adrec recommend --all -k 100 --out recs.parquet",
    "adrec recommend --users newsletter.txt --events today.csv --category tea --out recs.csv",
)


def recommend(
    *,
    user: Annotated[list[str] | None, typer.Option("--user", metavar="ID",
            help="Id of a known user; repeatable.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", metavar='"ID,ID,..."', help="Item ids of an unknown user, oldest first; repeatable."),
    ] = None,
    times: Annotated[
        list[str] | None,
        typer.Option("--times", metavar='"TIME,TIME,..."',
                     help="Times of the items of --history, for models with model.times; repeatable."),
    ] = None,
    options: RecommendOptions,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint. [default: the promoted one]",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    audience: Declared[AudienceOptions],
    output: Declared[BatchOutput],
    engine: Declared[BatchEngine],
    sharing: SharingUsers,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Recommend items to known users, to users with a history, or to many at once."""
    from adrec_cli.pipeline import recommend as pipeline

    if _asks_for_batch(audience, output, engine):
        if options.explain:
            raise UsageError("--explain is for one or a few users", hint="use --user or --history")
        if user or history or times:
            raise UsageError(
                "--user, --history and --times do not make a batch",
                hint="put them into a file: --users or --histories",
            )
        from adrec_cli.pipeline.recommend_batch import BatchRequest

        request = BatchRequest(
            audience=audience.options(), output=output.options(), workspace=common.workspace, dataset_name=dataset,
            model=model, options=options, engine=engine.options(),
        )  # fmt: skip
        recommend_many(request, session)
        return
    if session.processes.count > 1:
        raise UsageError("--devices and torchrun share the users of a batch", hint="add --all and --out recs/")
    found = pipeline.recommend(
        users=user or [],
        histories=[_read_list(text, "--history") for text in history or []],
        times=[_read_list(text, "--times") for text in times or []],
        workspace=common.workspace,
        dataset_name=dataset,
        model=model,
        options=options,
    )
    _show(session.terminal, found)


def _asks_for_batch(*declared: Declared[Any]) -> bool:
    """Return whether a batch is asked for.

    Raises:
        UsageError: its options do not go together.
    """
    asked = {key for one in declared for key, value in one.values.items() if value}
    batch = bool(asked & {"all", "users", "histories"})
    if asked and not batch:
        raise UsageError(
            "--out, --events, --shard, --format, --safe-csv and --engine belong to a batch",
            hint="add --all, --users FILE or --histories FILE",
        )
    if batch and "out" not in asked:
        raise UsageError("a batch needs a file to write", hint="--out recs.parquet, or --out - for stdout")
    return batch


def _read_list(text: str, flag: str) -> list[str]:
    """Read one history, or its times, as a row of CSV, so that a quoted id may hold a comma."""
    try:
        return [item for item in next(csv.reader([text], skipinitialspace=True, strict=True), []) if item]
    except csv.Error as error:
        raise UsageError(f"{flag} {text!r} is not a list: {error}", hint='for example "17,42" or 17,42') from error


def _show(terminal: Terminal, found: Recommendations) -> None:
    if not found.promoted:
        terminal.note(
            f"{found.dataset} has no promoted {found.model} model; {found.checkpoint} is used (adrec run promotes)"
        )
    if found.new_items.sha256:
        added = say_count(found.new_items.added, "new item")
        terminal.note(f"{added} may be recommended; known already: {found.new_items.known:,}")
    if silent := found.new_items.silent:
        terminal.warn(
            f"left out: {say_count(len(silent), 'new item')} that nothing is known about, such as {silent[0]!r}"
        )
    if unknown := found.unknown_candidates:
        terminal.warn(f"the item files have {say_count(len(unknown), 'unknown id')}, for example {unknown[0]!r}")
    for result in found.results:
        if not result.items:
            terminal.warn(
                f"{_who(result)}: nothing is left, as all items that may come back are in the history; "
                "--include-seen lets them come back"
            )
        if result.unknown_items:
            terminal.note(f"{_who(result)}: unknown items are left out: {', '.join(result.unknown_items)}")
        if result.source == "popular":
            terminal.note(
                f"{_who(result)}: the model knows no item of the history, so these are the most popular items"
            )
    if terminal.as_json:
        terminal.document(asdict(found))
        return
    titled = any(item.title is not None for result in found.results for item in result.items)
    columns = ["rank", "item", *(["title"] if titled else []), "score"]
    explained = any(result.explanations for result in found.results)
    columns += ["what moved the score most"] * explained
    if terminal.draws:
        for result in found.results:
            terminal.table(columns, _rows(result, titled), title=_who(result), right=["rank", "score"])
        return
    rows = [[_who(result), *row] for result in found.results for row in _rows(result, titled)]
    terminal.table(["for", *columns], rows)


def _rows(result: Recommendation, titled: bool) -> list[list[str]]:
    reasons = [[_reason(explanation)] for explanation in result.explanations] or [[] for _ in result.items]
    return [
        [str(item.rank), item.item_id, *([item.title or ""] if titled else []), f"{item.score:.4f}", *reason]
        for item, reason in zip(result.items, reasons, strict=True)
    ]


def _reason(explanation: Explanation) -> str:
    """Return the influences on a score, each with what both items share."""
    shared = [f" ({', '.join(one.shared)})" if one.shared else "" for one in explanation.influences]
    return "; ".join(
        f"{one.item_id} {one.influence:+.4f}{both}" for one, both in zip(explanation.influences, shared, strict=True)
    )


def _who(result: Recommendation) -> str:
    return f"user {result.user_id}" if result.user_id is not None else f"history {','.join(result.history)}"
