"""The sections in order of importance; what fails is printed and passed over."""

from __future__ import annotations

import argparse
import platform
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.benchmarks.card import __doc__ as description
from tests.benchmarks.card import checks, kernels, measures
from tests.benchmarks.card.setting import Setting
from tests.benchmarks.card.smoke import smoke

SECTIONS: dict[str, Callable[[Setting], Iterator[str]]] = {
    "ceilings": measures.measure_ceilings,
    "against the cpu": checks.check_against_the_cpu,
    "training": measures.measure_training,
    "profile": measures.measure_profile,
    "evaluation": measures.measure_evaluation,
    "serving": measures.measure_serving,
    "bytes": checks.check_bytes,
    "precision": measures.measure_precision,
    "other models": measures.measure_other_models,
    "growth": measures.measure_growth,
    "kernels": kernels.measure_kernels,
    "compiled": kernels.measure_compiled,
}


def card_name(device: torch.device) -> str:
    """What the device calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"


def run_section(setting: Setting, name: str, section: Callable[[Setting], Iterator[str]]) -> list[str]:
    """Print the lines of a section as they come."""
    lines, started = [], time.monotonic()
    print(f"== {name} ({setting.left:.0f} s left)", flush=True)
    try:
        for line in section(setting):
            lines.append(line)
            print(line, flush=True)
    except Exception:
        lines.append(f"FAILED: {traceback.format_exc().splitlines()[-1][:300]}")
        traceback.print_exc()
    print(f"-- {name}: {time.monotonic() - started:.1f} s", flush=True)
    return lines


def main() -> None:
    """Run what there is time for, and print all lines again last."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=[])
    options = parser.parse_args()
    setting = Setting.of(options.device, tiny=options.tiny, out=options.out, seconds=options.seconds)
    about = f"{card_name(setting.device)}, PyTorch {torch.__version__}, Python {platform.python_version()}"
    print(about, flush=True)
    if options.smoke:
        run_section(setting, "smoke", smoke)
        return
    setting.keep("about", about)
    told = {}
    for name, section in SECTIONS.items():
        if options.only and name not in options.only:
            continue
        if setting.left < 10:
            told[name] = ["no time"]
            continue
        told[name] = run_section(setting, name, section)
    setting.keep("lines", told)
    print(f"\n==== {about}")
    for name, lines in told.items():
        print(f"[{name}]", *lines, sep="\n")


if __name__ == "__main__":
    main()
