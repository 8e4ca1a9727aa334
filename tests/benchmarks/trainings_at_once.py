"""How many training steps a second one, six and fourteen trainings make together, and what a step on a GPU is made of.

python -m tests.benchmarks.trainings_at_once workspace/ml-1m --device cuda
nvidia-cuda-mps-control -d                             # then again: kernels of several processes run at once
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from adrec_cli.data.batches import training_windows
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.adrec import ADRec
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator, resolve_device
from adrec_cli.training.events import StepDone
from adrec_cli.training.loop import StageTraining

WARM_UP = 1.0


def training(folder: Path, device: torch.device) -> StageTraining:
    """ADRec's last stage on histories of up to 200 items, 32 a step."""
    sequences = open_dataset(folder).sequences
    model = ADRec(ADRecConfig(max_length=200), sequences.item_count)
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    return StageTraining(
        name="finetune", stage=find_stages("adrec")["finetune"], config=TrainingConfig(batch_size=32),
        model=model.to(device), windows=training_windows(sequences, 200), validate=dict, device=device,
    )  # fmt: skip


def steps_in(run: StageTraining, seconds: float) -> int:
    """Train for so long; every step reads its loss, so that none is under way at the end."""
    started = time.perf_counter()
    steps = 0
    for event in run.events():
        steps += isinstance(event, StepDone)
        if time.perf_counter() - started > seconds:
            break
    return steps


def made_of(run: StageTraining) -> str:
    """Return kernels and their time in a step."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        steps = steps_in(run, WARM_UP)
    averages = found.key_averages()
    launches = sum(entry.count for entry in averages if entry.key.startswith("cudaLaunchKernel"))
    device = sum(entry.self_device_time_total for entry in averages if entry.device_type == DeviceType.CUDA) / 1000
    return f"{launches / steps:.0f} kernels a step, {device / steps:.1f} ms of the device"


def main() -> None:
    """Print a row a number of trainings; called with --one, train alone and print steps a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 6, 14])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        run = training(options.folder, resolve_device(options.device))
        steps_in(run, WARM_UP)
        print(steps_in(run, options.seconds) / options.seconds)
        return
    command = [sys.executable, "-m", "tests.benchmarks.trainings_at_once", str(options.folder), "--one"]
    command += ["--device", options.device, "--seconds", str(options.seconds)]
    for jobs in options.jobs:
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(jobs)]
        rates = [float(process.communicate()[0]) for process in running]
        print(f"{jobs} at once: {sum(rates):.1f} steps/s together")
    if resolve_device(options.device).type == "cuda":
        print(made_of(training(options.folder, resolve_device(options.device))))


if __name__ == "__main__":
    main()
