"""`adrec verify`: whether everything in a workspace is whole, fits together, and what to run where it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import file_identity, file_sha256, find_sha256
from adrec_cli.artifacts.changing import needs_recovery
from adrec_cli.artifacts.checkpoint import load_checkpoint, verify_checkpoint, verify_state
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.dataset import verify_pending
from adrec_cli.artifacts.evaluation import list_evaluations, read_evaluation, read_ranks
from adrec_cli.artifacts.generations import generation_folders, open_generation
from adrec_cli.artifacts.item_index import read_index_of
from adrec_cli.artifacts.item_vectors import find_command, read_item_vectors
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.nights import read_nights, require_current_known
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER, items_beside, read_current
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.artifacts.sweep_files import read_sweep, sweep_folders
from adrec_cli.content.other_cut import is_cut_otherwise
from adrec_cli.data.given_vectors import find_changed_files
from adrec_cli.data.leaving_out import find_forgotten
from adrec_cli.data.own_folders import download_folder, former_folder
from adrec_cli.data.pending import read_pending
from adrec_cli.errors import AdrecError, ArtifactError, StorageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.forgetting.learnt import is_apart
from adrec_cli.loading.opening import Checkpoint, open_dataset, restore_model
from adrec_cli.schema import (
    CHECKPOINT_SUFFIX,
    CURRENT_FILE,
    ITEM_VECTORS_FILE,
    ITEMS_FILE,
    MANIFEST_FILE,
    NIGHTS_FILE,
    PENDING_FILE,
    SEED_FOLDER,
    SEQUENCES_FILE,
    STATE_SUFFIX,
    SWEEP_FILE,
    SWEEPS_FOLDER,
)
from adrec_cli.sweeping.measuring import read_measured
from adrec_cli.sweeping.shared_stages import STAGES_FOLDER
from adrec_cli.sweeping.trials import read_trials
from adrec_cli.wording import command, complete_command, inflect, say_count, say_statistics

WHOLE, OUT_OF_DATE, DAMAGED = "whole", "out of date", "damaged"
_MOST_LOOKS: Final = 5
"""How often one artifact is checked that is replaced each time while it is."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found out about an artifact.

    Attributes:
        path: relative to the workspace.
        status: "whole"; "out of date", if it is whole but what it was made from has changed; or "damaged".
        detail: what it is, or what is wrong.
        repair: what to type; "" where nothing is to be done.
    """

    path: str
    status: str
    detail: str
    repair: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All verdicts on a workspace."""

    workspace: Path
    verdicts: list[Verdict]

    @property
    def damaged(self) -> list[Verdict]:
        """Those that are not whole."""
        return [verdict for verdict in self.verdicts if verdict.status == DAMAGED]


def verify(workspace: Path, *, raw: Path | None = None) -> Verification:
    """Check formats, hashes, lineage (checkpoint, parent, sequences, sources) and that weights are finite.

    Nothing is changed.

    Args:
        workspace: to check.
        raw: folder with raw files, which are compared with those the data sets were made from.

    Raises:
        ArtifactError: there is no such workspace.
    """
    if not workspace.is_dir():
        raise ArtifactError(f"{workspace} does not exist", hint=f"make one with: {command('run', 'demo')}")
    verdicts: list[Verdict] = []
    for folder in sorted(path for path in matching_paths(workspace, "*") if path.is_dir() and path.name[0] != "."):
        if _is_dataset(folder):
            found = _verify_dataset(workspace, folder, raw)
            # One that is gone since it was listed is not damaged.
            verdicts += found if _is_dataset(folder) else []
    return Verification(workspace=workspace, verdicts=verdicts)


def _is_dataset(folder: Path) -> bool:
    return any((folder / name).exists() for name in (MANIFEST_FILE, SEQUENCES_FILE, ITEMS_FILE))


def _verify_dataset(workspace: Path, folder: Path, raw: Path | None) -> list[Verdict]:
    """Return the verdicts on a data set and on all that was made of it, as it is in the end."""
    return read_steadily(lambda: [folder / MANIFEST_FILE], lambda: list(_Dataset(workspace, folder, raw).verdicts()))


class _Dataset:
    """A data set's folder under inspection."""

    def __init__(self, workspace: Path, folder: Path, raw: Path | None) -> None:
        self.workspace, self.folder, self.raw = workspace, folder, raw
        self.manifest: Manifest | None = None
        self._hashes: dict[tuple[int, ...], str] = {}

    def verdicts(self) -> Iterator[Verdict]:
        yield from self._data()
        yield from self._pending()
        yield from self._generations()
        yield from self._sources()
        yield from self._vectors()
        for path in self._find(f"*{CHECKPOINT_SUFFIX}"):
            if path.name.endswith(STATE_SUFFIX):
                continue
            yield from self._check(path, lambda path=path: self._checkpoint(path), "remove it and run its stage again")
        for path in self._find(f"*{STATE_SUFFIX}"):
            yield from self._check(
                path, lambda path=path: self._state(path), command("clean", workspace=self.workspace)
            )
        for path in sorted(matching_paths(self.folder, f"*/{CURRENT_FILE}")):
            again = command("run", self.folder.name, model=path.parent.name, force=True)
            yield from self._check(path, lambda path=path: self._current(path), again)
        for path in sorted(matching_paths(self.folder, f"*/{NIGHTS_FILE}")):
            yield from self._check(path, lambda path=path: self._nights(path), "remove it")
        for path in list_evaluations(self.folder):
            yield from self._check(path, lambda path=path: self._verify_evaluation(path), "evaluate again")
        yield from self._sweeps()

    def _find(self, pattern: str) -> list[Path]:
        """Return files in the folders of models, of their further seeds, and of the stages of sweeps, sorted."""
        places = ("*", f"*/{SEED_FOLDER}*", f"{SWEEPS_FOLDER}/*/{STAGES_FOLDER}/*")
        return sorted(path for place in places for path in matching_paths(self.folder, f"{place}/{pattern}"))

    def _sweeps(self) -> Iterator[Verdict]:
        again = "remove it and run the sweep again"
        for path in sorted(matching_paths(self.folder, f"{SWEEPS_FOLDER}/*/{STAGES_FOLDER}/*/measured-*.json")):
            yield from self._check(
                path, lambda path=path: (read_measured(path), (WHOLE, "what was measured", ""))[1], again
            )
        for path in sorted(matching_paths(self.folder, f"{SWEEPS_FOLDER}/*/*.jsonl")):
            yield from self._check(
                path, lambda path=path: (WHOLE, say_count(len(read_trials(path)), "trial"), ""), again
            )
        for folder in sweep_folders(self.folder):
            path = folder / SWEEP_FILE
            yield from self._check(path, lambda folder=folder: self._sweep(folder), again)

    def _sweep(self, folder: Path) -> tuple[str, str, str]:
        record, results = read_sweep(folder)
        detail = f"a sweep of {say_count(len(record.runs), 'run')}, {say_count(results.height, 'figure')}"
        if self.manifest is not None and record.sequences_sha256 != self.manifest.sequences_sha256:
            return OUT_OF_DATE, f"{detail}; the sequences have changed since", complete_command(record.command)
        return WHOLE, detail, ""

    def _check(
        self, path: Path, check: object, repair: str, *, always: bool = False, needed: bool = False
    ) -> Iterator[Verdict]:
        """Yield what a check finds.

        Nothing is locked: what a run changes meanwhile is checked again, and what it has removed is not there.

        Args:
            path: of the artifact.
            check: returns status, detail and what to type.
            repair: what to type if it fails, unless the error says it (or always).
            needed: it must be there; all others were, when they were listed.
        """
        assert callable(check)
        name = str(path.relative_to(self.workspace))
        for left in reversed(range(_MOST_LOOKS)):
            before = file_identity(path)
            try:
                status, detail, remedy = check()
            except AdrecError as error:
                status, detail = DAMAGED, error.message
                remedy = repair if always else error.hint or repair
            if status != WHOLE:
                now = file_identity(path)
                if now is None and not needed:
                    return
                if left and now != before:
                    continue
            yield Verdict(path=name, status=status, detail=detail, repair=remedy)
            return

    def _data(self) -> Iterator[Verdict]:
        def check() -> tuple[str, str, str]:
            self.manifest = open_dataset(self.folder).manifest
            counts = self.manifest.statistics
            detail = say_statistics(counts) + self._describe_rest()
            if needs_recovery(self.folder):
                return OUT_OF_DATE, f"{detail}; a run was killed here", command("clean", workspace=self.workspace)
            return WHOLE, detail, ""

        return self._check(self.folder / MANIFEST_FILE, check, advise_repair(self.folder), needed=True)

    def _describe_rest(self) -> str:
        """Return what else the manifest knows: files that were withdrawn, and how many people were forgotten."""
        assert self.manifest is not None
        withdrawn, forgotten = len(self.manifest.withdrawn), len(self.manifest.forgotten.get("users", []))
        files = len(self.manifest.sources)
        told = [f"{say_count(files, 'file')} taken"]
        told += [f"{withdrawn} withdrawn"] if withdrawn else []
        told += [f"{say_count(forgotten, 'user')} forgotten"] if forgotten else []
        return f"; {', '.join(told)}"

    def _pending(self) -> Iterator[Verdict]:
        manifest = self.manifest
        if manifest is None or manifest.pending_sha256 is None:
            return

        def check() -> tuple[str, str, str]:
            path = verify_pending(self.folder, manifest)
            assert path is not None
            return (
                WHOLE,
                f"{say_count(len(read_pending(path)), 'interaction')} "
                f"{inflect(len(read_pending(path)), 'waits', 'wait')} for later updates",
                "",
            )

        yield from self._check(self.folder / PENDING_FILE, check, advise_repair(self.folder), needed=True)

    def _vectors(self) -> Iterator[Verdict]:
        again, like = find_command(self.folder), command("encode", self.folder.name, like=self.folder.name)

        def check() -> tuple[str, str, str]:
            vectors = read_item_vectors(self.folder)
            detail = "vectors of {:,} items, {:,} entries each".format(*vectors.vectors_VC.shape)
            if self.manifest is not None and vectors.sequences_sha256 not in ("", self.manifest.sequences_sha256):
                other = is_cut_otherwise(vectors.fitted_on, self.manifest, self.folder)
                return OUT_OF_DATE, f"{detail}; the events have changed since", again if other else like
            if self.manifest is not None and vectors.items_sha256 != self.manifest.items_sha256:
                return OUT_OF_DATE, f"{detail}; the items have changed since", like
            if changed := find_changed_files(vectors.files):
                return OUT_OF_DATE, f"{detail}; {', '.join(changed)} may have changed since", like
            return WHOLE, detail, ""

        if (self.folder / ITEM_VECTORS_FILE).exists():
            yield from self._check(self.folder / ITEM_VECTORS_FILE, check, again, always=True)

    def _generations(self) -> Iterator[Verdict]:
        for number, place in generation_folders(self.folder).items():

            def check(number: int = number) -> tuple[str, str, str]:
                former = open_generation(self.folder, number)
                detail = f"a former data set of {say_count(former.manifest.statistics['interactions'], 'interaction')}"
                if self.manifest is not None and self.manifest.forgotten:
                    left = len(find_forgotten(former.files, self.manifest.forgotten))
                    again = command("forget", self.folder.name, user="ID")
                    detail += f"; {left} who were forgotten are still in it, forget them again: {again}" if left else ""
                return WHOLE, detail, ""

            yield from self._check(place, check, command("clean", workspace=self.workspace), always=True)

    def _sources(self) -> Iterator[Verdict]:
        for source in self.manifest.sources if self.manifest else []:
            name, sha256 = str(source.get("name")), source.get("sha256")
            if sha256 is None or Path(name).name != name:
                continue
            dataset = self.folder.name
            places = [download_folder(dataset, self.workspace), former_folder(dataset, self.workspace)]
            places += [self.raw / self.folder.name, self.raw] if self.raw else []
            for path in (place / name for place in places):
                if (found := find_sha256(path)) is not None:
                    same = found == sha256
                    detail = "the source the data set was made from" if same else "the source has changed since"
                    yield Verdict(
                        path=str(path), status=WHOLE if same else OUT_OF_DATE, detail=detail,
                        repair="" if same else command('preprocess', self.folder.name),
                    )  # fmt: skip
                    break

    def _checkpoint(self, path: Path) -> tuple[str, str, str]:
        # Whether the network has these weights is what PyTorch is for here.
        import torch

        tensors, metadata = load_checkpoint(path)
        restore_model(Checkpoint(path=path, sha256="", metadata=metadata, tensors=tensors), torch.device("cpu"))
        detail = (
            f"{metadata.model} {metadata.stage}, epoch {metadata.epoch}, "
            f"{say_count(len(tensors), 'tensor')}, all finite"
        )
        again = command("train", self.folder.name, model=metadata.model)
        if SWEEPS_FOLDER in path.relative_to(self.folder).parts:
            again = "run the sweep again"
        if self.manifest is not None and metadata.all_sequences & set(self.manifest.forgotten.get("sequences", [])):
            detail += "; it has learned from users who were forgotten"
            again = command("forget", self.folder.name, retrain=True)
            return OUT_OF_DATE, detail, "remove its folder" if is_apart(path) else again
        if self.manifest is not None and metadata.items_sha256 != self.manifest.items_sha256:
            return OUT_OF_DATE, f"{detail}; the items have changed since", again
        if self.manifest is not None and metadata.sequences_sha256 != self.manifest.sequences_sha256:
            return OUT_OF_DATE, f"{detail}; the sequences have changed since", again
        if metadata.parent_sha256 and not self._has_parent(metadata):
            if _starts_its_model(metadata):
                return WHOLE, f"{detail}; the promoted model it started from is kept no longer", ""
            return OUT_OF_DATE, f"{detail}; the checkpoint it started from has changed since", again
        return WHOLE, detail, ""

    def _has_parent(self, metadata: CheckpointMetadata) -> bool:
        """Whether the checkpoint it started from is there: beside it, in a sweep, or promoted."""
        # Listed each time: a run trains both, one after the other.
        for path in (
            *self._find(f"*{CHECKPOINT_SUFFIX}"),
            *matching_paths(self.folder, f"*/{PROMOTED_FOLDER}/*{CHECKPOINT_SUFFIX}"),
        ):
            identity = file_identity(path)
            # One that cannot be read has a verdict of its own, and a run may remove one meanwhile.
            with contextlib.suppress(StorageError):
                if identity is not None and identity not in self._hashes:
                    self._hashes[identity] = file_sha256(path)
        return metadata.parent_sha256 in self._hashes.values()

    def _state(self, path: Path) -> tuple[str, str, str]:
        verify_state(path)
        return WHOLE, "of an unfinished stage, which resumes from it", ""

    def _current(self, path: Path) -> tuple[str, str, str]:
        current = read_current(path.parent)
        if current is None:
            raise ArtifactError(f"{path} does not exist")
        for generation in (current, *current.earlier):
            promoted = path.parent / generation.checkpoint
            if not promoted.is_file():
                raise ArtifactError(f"{path} names {generation.checkpoint}, which does not exist")
            if file_sha256(promoted) != generation.sha256:
                raise ArtifactError(f"{promoted} is damaged or was replaced", hint="")
            metadata = verify_checkpoint(promoted)
            items = items_beside(promoted)
            if items.is_file() and file_sha256(items) != metadata.items_sha256:
                raise ArtifactError(f"{items} is damaged: it is not what {promoted.name} was trained with")
            read_index_of(promoted, generation.sha256)
        return WHOLE, f"promotes {current.checkpoint}, {len(current.earlier)} to go back to", ""

    def _nights(self, path: Path) -> tuple[str, str, str]:
        nights = read_nights(path.parent)
        require_current_known(path.parent)
        return WHOLE, say_count(len(nights), "night"), ""

    def _verify_evaluation(self, path: Path) -> tuple[str, str, str]:
        evaluation = read_evaluation(path)
        read_ranks(path)
        detail = f"{evaluation.model} {evaluation.stage}".strip() + f" on {evaluation.protocol}"
        if self.manifest is not None and evaluation.sequences_sha256 != self.manifest.sequences_sha256:
            return OUT_OF_DATE, f"{detail}; the sequences have changed since", "evaluate again"
        return WHOLE, detail, ""


def _starts_its_model(metadata: CheckpointMetadata) -> bool:
    """Whether a checkpoint is of a first stage, which starts from fresh weights or from a promoted model."""
    tables = {"model": metadata.config, **metadata.training}
    return compose(metadata.model, inherited=tables).planned[0] == metadata.stage
