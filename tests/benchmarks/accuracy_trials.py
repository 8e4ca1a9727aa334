"""Trains a list of named trials, several at a time on one device, and ranks each by validation and by test.

python -m tests.benchmarks.accuracy_trials --data workspace --out trials --seconds 400 --parallel 14
python -m tests.benchmarks.accuracy_trials --data workspace --out trials --only beauty-base --seconds 60   # one of them

Trials stand in `accuracy_trials.toml` in the order of their importance: what time does not suffice for is left out. A
trial whose time is up is ranked by the best weights validation has seen. `OUT/results.jsonl` gets a line a trial when
it is done, `OUT/epochs.jsonl` one a validation, `OUT/ranks.jsonl` one with the rank of each test target, masked as in
validation, in the order of users; `OUT/table.txt` is what is printed at the end, also of earlier runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from adrec_cli.config import merge
from adrec_cli.data.batches import CUTS
from adrec_cli.errors import AdrecError
from adrec_cli.experiments.experiment import Experiment, compose
from adrec_cli.experiments.validation import make_monitored_scorer, prepare_validation
from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.registry import find_model
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.runtime import StopRequest, make_generator, resolve_device
from adrec_cli.training.events import EpochDone
from adrec_cli.training.loop import StageTraining

TRIALS = Path(__file__).with_suffix(".toml")
RESULTS, EPOCHS, RANKS, TABLE, CLAIMS = "results.jsonl", "epochs.jsonl", "ranks.jsonl", "table.txt", "claims"
METRICS = [f"{name}@{k}" for k in (5, 10, 20) for name in ("hr", "ndcg")]
RANKING_SECONDS = 20.0
"""Kept back at the end for ranking what was trained."""


def read_trials(path: Path) -> dict[str, dict[str, Any]]:
    """Return trials by name, each laid over the one it is `like`, in the order of the file; one for each of `seeds`."""
    found: dict[str, dict[str, Any]] = {}
    bases: set[str] = set()
    for trial in tomllib.loads(path.read_text())["trial"]:
        name, like = trial.pop("name"), trial.pop("like", None)
        if name in found:
            raise SystemExit(f"{path}: two trials are called {name!r}")
        if trial.pop("only_base", False):
            bases.add(name)
        seeds = trial.pop("seeds", [])
        found[name] = merge(found[like] if like else {}, trial)
        if seeds:
            bases.add(name)
        found |= {f"{name}-s{seed}": merge(found[name], {"training": {"seed": seed}}) for seed in seeds}
    return {name: trial for name, trial in found.items() if name not in bases}


def experiment_of(trial: Mapping[str, Any]) -> Experiment:
    """Return the options of a trial."""
    return compose(trial["model_name"], overrides={k: trial[k] for k in ("model", "training", "stages") if k in trial})


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, whole, whoever else writes."""
    with open(path, "ab", buffering=0) as file:
        file.write((json.dumps(line) + "\n").encode())


class Trial:
    """One of the trials under way: what it learns from, until when, and where it is reported."""

    def __init__(self, name: str, trial: Mapping[str, Any], options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.experiment = experiment_of(trial)
        self.dataset: Dataset = open_dataset(options.data / trial["data"])
        self.device = resolve_device(options.device)
        self.started = time.time()
        self.until = min(self.started + trial.get("seconds", 1e9), options.until - RANKING_SECONDS)
        self.epochs: dict[str, int] = {}
        self.best_epochs: dict[str, int] = {}

    def over(self) -> bool:
        """Say whether its time is up."""
        return time.time() >= self.until

    def run(self) -> dict[str, Any]:
        """Train all stages, as far as time allows, and return what is to be reported."""
        experiment, dataset = self.experiment, self.dataset
        model = find_model(experiment.model_name)(experiment.model, dataset.items.height).to(self.device)
        output, best = "", {}
        for number, stage in enumerate(experiment.planned):
            if number and self.over():
                break
            fresh = model.components() if number == 0 else experiment.stages[stage].fresh
            for component in fresh:
                # On the CPU, so that every device starts alike.
                generator = make_generator(experiment.training.seed, "init", component)
                model.to("cpu").initialize(component, generator)
            model.to(self.device)
            output, best = experiment.stages[stage].output, self._stage(model, stage)
        return {
            "trial": self.name,
            "seconds": round(time.time() - self.started, 1),
            "cut_short": self.over(),
            "epochs": self.epochs,
            "best_epochs": self.best_epochs,
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "valid": best,
            "test": self._ranked(model, output, mask_seen=False),
            "test_masked": self._ranked(model, output, mask_seen=True),
            "repeats": None if model.repeats is None else model.repeats.weight.flatten().tolist(),
            "tables": experiment.tables(),
        }

    def _stage(self, model: SequentialRecommender, stage_name: str) -> dict[str, float]:
        """Train one stage, leave the model with its best weights, and return their validation."""
        stage, shared = self.experiment.stages[stage_name], self.experiment.training
        training = StageTraining(
            name=stage_name,
            stage=stage,
            config=shared,
            model=model,
            windows=CUTS[shared.samples](self.dataset.sequences, model.max_length, all_events=shared.windows == "all"),
            validate=prepare_validation(
                self.dataset, make_monitored_scorer(model, stage.output, self.device), shared, stop=StopRequest()
            ),
            device=self.device,
            stepping=self.options.stepping,
        )
        for event in training.events():
            if isinstance(event, EpochDone):
                self.epochs[stage_name] = event.epoch
                told = {"trial": self.name, "stage": stage_name, "epoch": event.epoch, "losses": event.losses}
                if event.valid:
                    told |= {"valid": {name: round(event.valid[name], 5) for name in METRICS}}
                told |= {"tokens_per_second": round(event.tokens_per_second), "seconds": round(event.seconds, 2)}
                append(self.options.out / EPOCHS, told)
            if self.over():
                training._hand_over()
                break
        self.best_epochs[stage_name] = training.position.best_epoch
        return {name: training.position.best_metrics[name] for name in METRICS if training.position.best_metrics}

    def _ranked(self, model: SequentialRecommender, output: str, *, mask_seen: bool) -> dict[str, float]:
        """Rank the test targets, against drawn negatives where validation does."""
        count, sequences = self.experiment.training.monitor_negatives, self.dataset.sequences
        cases = select_cases(sequences, "test")
        negatives = draw_negatives(sequences, cases, count, 0) if count else None
        rivals = Rivals(negatives=negatives, mask_seen=mask_seen)
        ranks = target_ranks(make_monitored_scorer(model, output, self.device), sequences, cases, rivals)
        if mask_seen == self.experiment.training.monitor_mask_seen:
            append(self.options.out / RANKS, {"trial": self.name, "ranks": ranks.tolist()})
        table = metric_table(ranks, cases.users)
        return {name: table[name] for name in METRICS}


def unclaimed(names: list[str], out: Path, until: float) -> Iterator[str]:
    """Yield trials nobody else has taken, in order, as long as there is time to begin one."""
    for name in names:
        if time.time() > until - 2 * RANKING_SECONDS:
            return
        try:
            (out / CLAIMS / name).mkdir(parents=True)
        except FileExistsError:
            continue
        yield name


def work(options: argparse.Namespace) -> None:
    """Train one trial after the other until none is left; a failure is reported and ends no other."""
    torch.set_num_threads(options.threads)
    trials = read_trials(options.trials)
    for name in unclaimed(chosen(trials, options), options.out, options.until):
        try:
            told = Trial(name, trials[name], options).run()
        except (AdrecError, RuntimeError, ValueError) as error:
            told = {"trial": name, "error": f"{type(error).__name__}: {error}"}
            if isinstance(error, RuntimeError) and options.stepping == "auto" and torch.cuda.is_available():
                # What a recorded step leaves behind when it fails is not known: a new process begins the trial again.
                print(f"{name}: {told['error']}; again, step by step", file=sys.stderr, flush=True)
                (options.out / CLAIMS / name).rmdir()
                os.execv(sys.executable, [*command_of(sys.argv[1:]), "--stepping", "immediate"])
        append(options.out / RESULTS, told)
        if "error" in told:
            print(f"{name}: {told['error']}", file=sys.stderr, flush=True)
        else:
            print(f"{name}: {told['seconds']} s, valid {told['valid']}", file=sys.stderr, flush=True)


def chosen(trials: Mapping[str, Any], options: argparse.Namespace) -> list[str]:
    """Return the names of the trials that are wanted, in order."""
    unknown = set(options.only or []) - set(trials)
    if unknown:
        raise SystemExit(f"no trial is called {', '.join(sorted(unknown))}")
    return [name for name in trials if not options.only or name in options.only]


def table_of(out: Path) -> str:
    """Return what is known of each trial, one row each, in percent."""
    rows = [f"{'trial':34} {'s':>5} {'epochs':14} valid ndcg | test, not masked: {' '.join(METRICS)} | masked"]
    for line in (out / RESULTS).read_text().splitlines() if (out / RESULTS).is_file() else []:
        told = json.loads(line)
        if "error" in told:
            rows.append(f"{told['trial']:34} {told['error']}")
            continue
        epochs = "+".join(str(count) for count in told["epochs"].values()) + ("*" if told["cut_short"] else "")
        valid = " ".join(f"{100 * told['valid'].get(f'ndcg@{k}', 0):5.2f}" for k in (5, 10, 20))
        test, masked = (
            " ".join(f"{100 * told[part][name]:5.2f}" for name in METRICS) for part in ("test", "test_masked")
        )
        rows.append(f"{told['trial']:34} {told['seconds']:5.0f} {epochs:14} {valid} | {test} | {masked}")
    return "\n".join(rows) + "\n"


def command_of(arguments: list[str]) -> list[str]:
    """Return the command that runs this module."""
    return [sys.executable, "-m", "tests.benchmarks.accuracy_trials", *arguments]


def start_mps(device: str) -> bool:
    """Let kernels of several processes run at once, where that can be had; return whether it can."""
    if resolve_device(device).type != "cuda" or shutil.which("nvidia-cuda-mps-control") is None:
        return False
    return subprocess.run(["nvidia-cuda-mps-control", "-d"], capture_output=True, check=False).returncode == 0


def run_all(options: argparse.Namespace) -> None:
    """Start workers, wait for them, end what outlasts the limit, and print the table."""
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(options.out / CLAIMS, ignore_errors=True)
    chosen(read_trials(options.trials), options)
    mps = options.parallel > 1 and start_mps(options.device)
    until = time.time() + options.seconds
    command = [*command_of(sys.argv[1:]), "--until", str(until)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    workers = [subprocess.Popen(command, env=environment) for _ in range(options.parallel)]
    try:
        for worker in workers:
            worker.wait(timeout=max(1.0, until + RANKING_SECONDS - time.time()))
    except subprocess.TimeoutExpired:
        print("time is up: what is still under way is left", file=sys.stderr)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        if mps:
            subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", capture_output=True, check=False)
        shutil.rmtree(options.out / CLAIMS, ignore_errors=True)
        (options.out / TABLE).write_text(table_of(options.out))
        print((options.out / TABLE).read_text())


def main() -> None:
    """Run trials side by side; called with --until, be one of those who do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="workspace of preprocessed data sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=420.0)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU, for each trial")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--stepping", default="auto", help="how steps are taken; by itself, recorded where it can be")
    parser.add_argument("--only", nargs="+", help="names of trials")
    parser.add_argument("--trials", type=Path, default=TRIALS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    (run_all if options.until is None else work)(options)


if __name__ == "__main__":
    main()
