"""Options of ranking: candidates and sampling."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.completion import DEFAULT_WORKSPACE
from adrec_cli.cli.options.common import Computing, option
from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from adrec_cli.evaluating.options import EvaluationOptions
    from adrec_cli.models.sampling import Sampling
    from adrec_cli.pipeline.recommend import Merging

_PANEL = "Ranking"

Sampler = Annotated[
    str,
    option("--sampler", panel=_PANEL, metavar="ddpm|ddim", help="Sampler of the reverse steps.",
           complete=completion.among(["ddpm", "ddim"])),
]  # fmt: skip
Eta = Annotated[
    float, option("--eta", panel=_PANEL, metavar="X", help="Share of noise each ddim step adds, from 0 to 1.")
]
Samples = Annotated[
    int,
    option(
        "--samples", panel=_PANEL, metavar="N", help="Number of denoised samples of each history, merged into one list."
    ),
]
Merge = Annotated[
    str,
    option("--merge", panel=_PANEL, metavar="reciprocal-rank|mean-score",
            help="Rule that merges samples into one list.",
           complete=completion.among(["reciprocal-rank", "mean-score"])),
]  # fmt: skip
Guidance = Annotated[
    float | None,
    option(
        "--guidance",
        panel=_PANEL,
        metavar="W",
        help="Scale of guidance by the history [default: as the model was configured].",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Denoising:
    """How a diffusion model samples."""

    steps: Annotated[
        str | None,
        option("--steps", panel=_PANEL, metavar="N", help="Number of reverse steps [default: as many as trained]."),
    ] = None
    noise: Annotated[
        str,
        option("--noise", panel=_PANEL, metavar="seeded|common|zero",
               help="Noise of the reverse steps: drawn for each history, once for all, or zero.",
               complete=completion.among(["seeded", "common", "zero"])),
    ] = "seeded"  # fmt: skip
    sampler: Sampler = "ddpm"
    eta: Eta = 0.0
    temperature: Annotated[
        float,
        option("--temperature", panel=_PANEL, metavar="X", help="Standard deviation of the noise; 0 for none."),
    ] = 1.0
    samples: Samples = 1
    merge: Merge = "reciprocal-rank"
    guidance: Guidance = None

    def step_counts(self) -> list[int]:
        """Return the numbers of reverse steps asked for; none means as many as trained."""
        parts = [] if self.steps is None else self.steps.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            raise UsageError(f"--steps {self.steps} is no number", hint="for example 4, or for evaluate 1,2,4,8")
        return [int(part) for part in parts]

    def sampling(self, seed: int) -> Sampling:
        """Return the sampling as models take it."""
        from adrec_cli.models.sampling import Sampling

        counts = self.step_counts()
        if len(counts) > 1:
            raise UsageError(f"one number of steps at a time, got {self.steps}", hint="evaluate compares several")
        return Sampling(
            steps=counts[0] if counts else None,
            noise=self.noise,
            seed=seed,
            sampler=self.sampler,
            eta=self.eta,
            temperature=self.temperature,
            guidance=self.guidance,
        )

    def merging(self) -> Merging:
        """Return how samples are merged, as ranking takes it."""
        from adrec_cli.pipeline.recommend import Merging

        return Merging(samples=self.samples, merge=self.merge)


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Where published negatives are looked for, and who is called with the progress of their download.

    Attributes:
        raw: folder with raw files.
        workspace: of the run.
        on_event: gets the progress of a download.
    """

    raw: Path | None = None
    workspace: Path = DEFAULT_WORKSPACE
    on_event: Callable[[object], None] = lambda event: None

    def find(self, text: str, part: str) -> tuple[Path, str]:
        """Return the file of negatives that a text names, and what reports call it.

        Raises:
            UsageError: it names published negatives of another part.
        """
        from adrec_cli.data.fetching import Fetching
        from adrec_cli.data.named_datasets import load_dataset_spec
        from adrec_cli.data.named_negatives import find_negatives, names_negatives

        if not names_negatives(text):
            return Path(text), ""
        dataset, _, named = text.rpartition(":")
        if named != part and named in load_dataset_spec(dataset).negatives:
            raise UsageError(
                f"{text} has the negatives of {named}, but items of {part} are ranked",
                hint=f"--negatives {dataset}:{part}",
            )
        fetching = Fetching(offline=os.environ.get("ADREC_OFFLINE", "") not in ("", "0"))
        found = find_negatives(
            text, workspace=self.workspace, raw=self.raw, fetching=fetching, on_event=self.on_event
        )  # fmt: skip
        return found.path, text


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What the held-out item is ranked against."""

    negatives: Annotated[
        str | None,
        option("--negatives", panel=_PANEL, metavar="N|FILE|NAME:PART",
                help="Rank against N drawn items, those of a file in ReChorus's form, or published ones, such as "
                     "grocery:test [default: the whole catalogue]."),
    ] = None  # fmt: skip
    mask_seen: Annotated[
        bool, option("--mask-seen", panel=_PANEL, help="Exclude items of the history from ranking; the paper does not.")
    ] = False
    protocol: Annotated[
        str,
        option("--protocol", panel=_PANEL, metavar="all|cold-items",
               help="Targets that are ranked: all, or those that never occur in train, among such items alone.",
               complete=completion.among(["all", "cold-items"])),
    ] = "all"  # fmt: skip

    def evaluation(
        self,
        computing: Computing,
        denoising: Denoising,
        *,
        part: str,
        seed: int,
        looking: Looking | None = None,
        beyond_accuracy: bool = False,
    ) -> EvaluationOptions:
        """Return the options as the pipeline takes them; published negatives are downloaded if they are nowhere."""
        from adrec_cli.evaluating.options import EvaluationOptions

        drawn = self.negatives is not None and self.negatives.isdecimal()
        if self.negatives is not None and not drawn and self.negatives.startswith("-"):
            raise UsageError(f"--negatives {self.negatives} is neither a number nor a file", hint="for example 99")
        file, name = (None, "") if drawn or not self.negatives else (looking or Looking()).find(self.negatives, part)
        return EvaluationOptions(
            part=part,
            negatives=int(self.negatives or 0) if drawn else 0,
            negatives_file=file,
            negatives_name=name,
            mask_seen=self.mask_seen,
            protocol=self.protocol,
            sampling=denoising.sampling(seed),
            merging=denoising.merging(),
            beyond_accuracy=beyond_accuracy,
            seed=seed,
            device=computing.device,
            threads=computing.threads,
        )
