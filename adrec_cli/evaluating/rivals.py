"""What an evaluation ranks, and what each target is ranked against."""

from __future__ import annotations

from typing import Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.events import OnEvent, ignore
from adrec_cli.experiments.events import Warned
from adrec_cli.loading.opening import Dataset
from adrec_cli.ranking.protocols import Cases, Protocol, cold_cases, select_cases
from adrec_cli.ranking.rivals import Rivals, cold_rivals, draw_negatives
from adrec_cli.wording import inflect, option, say_count

ROOMY: Final = 10
"""With this many times more items than negatives, drawing with replacement makes no noticeable difference."""


def name_protocol(dataset: Dataset, options: EvaluationOptions, negatives: int) -> Protocol:
    """Return the protocol of options with this number of negatives."""
    file = options.negatives_file
    source = f"drawn with seed {options.seed}" if file is None else options.negatives_name or file.name
    return Protocol(
        split=dataset.split, part=options.part, negatives=negatives, negatives_source=source,
        mask_seen=options.mask_seen, cold_items=options.cold_items,
    )  # fmt: skip


def cases_of(dataset: Dataset, options: EvaluationOptions) -> Cases:
    """Return the held-out events that are ranked.

    Raises:
        InputError: there is none.
    """
    cases = select_cases(dataset.sequences, options.part)
    return cold_cases(cases, dataset.train_counts) if options.cold_items else cases


def choose_rivals(dataset: Dataset, cases: Cases, options: EvaluationOptions, on_event: OnEvent = ignore) -> Rivals:
    """Return the items each target is ranked against: negatives that are read or drawn, or the whole catalogue.

    Reports `Warned` where so many items are drawn that they repeat.

    Raises:
        InputError: the file does not fit the cases.
    """
    if options.cold_items:
        return cold_rivals(cases, dataset.train_counts)
    if options.negatives_file is not None:
        from adrec_cli.data.negatives import read_negatives

        user_ids = dataset.sequences.user_ids.gather(cases.users).to_list()
        read = read_negatives(options.negatives_file, user_ids=user_ids, targets=cases.targets, items=dataset.items)
        return Rivals(negatives=read)
    if not options.negatives:
        return Rivals(mask_seen=options.mask_seen)
    if dataset.items.height < ROOMY * options.negatives:
        on_event(
            Warned(
                message=f"{say_count(options.negatives, 'negative')} {inflect(options.negatives, 'is', 'are')} drawn "
                f"with replacement from {say_count(dataset.items.height, 'item')}: "
                "some are drawn twice, and fewer compete; "
                f"leave out {option('negatives')} to rank against all items"
            )
        )
    return Rivals(negatives=draw_negatives(dataset.sequences, cases, options.negatives, options.seed))


def hash_negatives(options: EvaluationOptions) -> str:
    return file_sha256(options.negatives_file) if options.negatives_file else ""
