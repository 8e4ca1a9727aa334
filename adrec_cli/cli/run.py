"""`adrec run`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, ModelName, Raw, Sharing, Source, find_typed, option
from adrec_cli.cli.options.declared import Offer
from adrec_cli.cli.options.evaluation import Evaluating, build_evaluation
from adrec_cli.cli.options.preprocess import Preprocessing, preprocess_options
from adrec_cli.cli.show.drift import describe_drift
from adrec_cli.cli.show.evaluation import describe
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import InputError, StorageError, UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.promotion.options import CURRENT_MODEL, PromotionOptions
from adrec_cli.wording import command

if TYPE_CHECKING:
    from adrec_cli.data.inbox import Inbox, InboxResult
    from adrec_cli.data.options import PreprocessOptions
    from adrec_cli.pipeline.run import RunSummary

EXAMPLES: Final = (
    "adrec run demo",
    "adrec run grocery --raw downloads",
    "adrec run shop --preset own",
    'adrec run today.csv --update shop --promote-if "ndcg@10 >= current - 0.002"',
    "adrec run shop --inbox incoming/ --archive taken/ --wait 3600",
)
_NIGHT: Final = "New files"
_DEMO: Final = "demo"


@dataclass(frozen=True, kw_only=True)
class Night:
    """Where the files of a night come from, and where they go."""

    inbox: Annotated[
        Path | None,
        option("--inbox", panel=_NIGHT, metavar="DIR", file_okay=False,
               help="Folder whose new files are taken, once each; SOURCE is then the name of the data set."),
    ] = None  # fmt: skip
    archive: Annotated[
        Path | None,
        option("--archive", panel=_NIGHT, metavar="DIR", file_okay=False,
               help="Folder to move files of the inbox to once they are taken."),
    ] = None  # fmt: skip

    def make_inbox(self, reading: PreprocessOptions) -> Inbox | None:
        """Return the inbox, in which files that others are read with may lie too; None where there is none.

        Raises:
            UsageError: there is an archive of no inbox.
        """
        from adrec_cli.data.inbox import Inbox

        if self.inbox is None:
            if self.archive is not None:
                hint = "add --inbox DIR, or leave --archive out"
                raise UsageError("--archive is where files of an inbox go", hint=hint)
            return None
        beside = frozenset(path.name for path in (reading.items, reading.join) if path is not None)
        return Inbox(folder=self.inbox, archive=self.archive, retake=reading.retake, beside=beside)


def run(
    source: Source,
    *,
    model: ModelName = DEFAULT_MODEL,
    raw: Raw = None,
    preprocessing: Annotated[Preprocessing, Offer(without=("max_length",))],
    training: TrainingOptions,
    evaluating: Annotated[Evaluating, Offer(without=("part", "seed", "beyond_accuracy"))],
    promotion: PromotionOptions,
    cold: Annotated[
        bool,
        option("--cold", panel=CURRENT_MODEL, help="Train from fresh weights rather than from the current model."),
    ] = False,
    night: Night,
    sharing: Sharing,
    common: Common,
    session: Session,
) -> None:
    """Preprocess, train, evaluate and promote: whatever is not up to date. The command for cron."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.data.named_negatives import names_negatives
    from adrec_cli.data.source_names import require_raw_searched
    from adrec_cli.pipeline import run as pipeline

    if not names_negatives(evaluating.values["negatives"] or ""):
        require_raw_searched(source, find_typed(raw))
    reading = preprocess_options(preprocessing, common.workspace)
    inbox = night.make_inbox(reading)
    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        summary = pipeline.run(
            source,
            model_name=model,
            workspace=common.workspace,
            options=pipeline.RunOptions(
                raw=raw,
                preprocessing=reading,
                experiment=training.experiment(model),
                evaluation=build_evaluation(evaluating, looking),
                promotion=promotion,
                cold=cold,
                inbox=inbox,
            ),
            work=session.work(training.compute, progress),
        )
    _show(session.terminal, summary)
    if summary.dataset == _DEMO and not session.terminal.as_json:
        _explain_demo(session.terminal, summary, common)
    if summary.inbox is not None:
        _end_as_told(summary.inbox)


def _end_as_told(files: InboxResult) -> None:
    """End with an error where a file of the inbox was bad or could not be moved; the rest of the night is done.

    Raises:
        InputError: a file was refused.
        StorageError: a file was not archived.
    """
    if files.refused:
        first, more = files.refused[0], len(files.refused) - 1
        others = f"; so were {more} more" if more else ""
        raise InputError(f"done, except for {first.path}, which was refused: {first.reason}{others}", hint=first.hint)
    if files.unarchived:
        raise StorageError(
            f"done, but {files.unarchived[0].path} was {files.unarchived[0].reason}",
            hint="fix that; no file is taken twice, and the next run moves it",
        )


def _explain_demo(terminal: Terminal, summary: RunSummary, common: Common) -> None:
    """Say what the figures of a first run mean, and what to type next."""
    ours, popular = summary.evaluation.metrics.get("hr@10"), summary.baseline.metrics.get("hr@10")
    if ours is not None and popular is not None:
        terminal.line()
        terminal.line(
            f"For {ours:.0%} of users the next item is among the ten recommended; "
            f"for {popular:.0%} it is among the ten most popular."
        )
    named = common.name_workspace()
    terminal.command(f"  {command('recommend', dataset=_DEMO, user='u0001', workspace=named)}  # ten items for a user")
    terminal.command(f"  {command('report', _DEMO, workspace=named)}  # all of it as a page with pictures")


def _show(terminal: Terminal, summary: RunSummary) -> None:
    for step in summary.steps:
        terminal.event("RunStepDone", asdict(step))
    stages = [step.name for step in summary.steps if step.status == "up to date" and step.name != "preprocess"]
    if stages:
        terminal.note(f"up to date: {', '.join(stages)}; --force trains again")
    if terminal.as_json:
        terminal.document(asdict(summary))
        return
    steps = [(step.name, step.status, f"{step.seconds:.1f}", step.detail) for step in summary.steps]
    title = f"{summary.model} on {summary.dataset}"
    terminal.table(["step", "status", "seconds", "detail"], steps, title=title, right=["seconds"])
    if summary.drift is not None:
        terminal.line(describe_drift(summary.drift))
    ours, popular = summary.evaluation.metrics, summary.baseline.metrics
    rows = [(name, f"{ours[name]:.4f}", f"{popular[name]:.4f}") for name in ours]
    columns = ["metric", summary.model, "MostPopular"]
    terminal.table(columns, rows, title=f"On {summary.evaluation.protocol}", right=columns[1:])
    for line in describe(summary.evaluation):
        terminal.line(line)
