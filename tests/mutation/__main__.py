"""`python -m tests.mutation PACKAGE ...`: the share of small mistakes that the tests of a package notice."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections import Counter
from pathlib import Path

from tests.mutation.mutants import Mutant, draw_mutants
from tests.mutation.reached import Reached
from tests.mutation.trial import copied, record, try_mutant

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["adrec-mutation"]
NOTICED = ("killed", "timeout")


def main() -> None:
    """Draw mutants of each package, try them, and tell the score and who survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("packages", nargs="+", choices=sorted(CONFIGURATION["tests"]))
    parser.add_argument("--sample", type=int, default=CONFIGURATION["sample"], help="mutants of each package")
    parser.add_argument("--seed", type=int, default=CONFIGURATION["seed"], help="of the draw")
    parser.add_argument("--most-seconds", type=float, default=120, help="of tests that a mutant is shown to")
    parser.add_argument("--file", help="only mutants of paths that hold this text")
    parser.add_argument("--results", type=Path, default=Path("mutation"), help="folder of results, a file per package")
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    drawn = {package: draw_mutants(ROOT, package, given.sample, given.seed) for package in given.packages}
    named = list(dict.fromkeys(test for package in drawn for test in CONFIGURATION["tests"][package]))
    with copied(ROOT) as copy:
        reached = record(copy, named, given.results.resolve() / "tests.log")
        for package, mutants in drawn.items():
            chosen = [one for one in mutants if (given.file or "") in one.path]
            _try_all(copy, package, chosen, reached, given.results.resolve(), given.most_seconds)


def _try_all(
    copy: Path, package: str, mutants: list[Mutant], reached: Reached, results: Path, most_seconds: float
) -> None:
    log = results / f"{package}.log"
    outcomes: Counter[str] = Counter()
    with open(results / f"{package}.jsonl", "w") as file:
        for mutant in mutants:
            elsewhere = CONFIGURATION["processes"].get(mutant.path, [])
            outcome = try_mutant(copy, mutant, reached, log, most_seconds=most_seconds, elsewhere=elsewhere)
            outcomes[outcome] += 1
            row = {"outcome": outcome, "mutant": str(mutant), "operator": mutant.operator}
            print(json.dumps(row), file=file, flush=True)
            if outcome not in NOTICED:
                print(f"{outcome}: {mutant}", flush=True)
    noticed = sum(outcomes[name] for name in NOTICED)
    share = noticed / max(len(mutants), 1)
    print(f"{package}: {noticed} of {len(mutants)} noticed ({share:.0%}); {dict(outcomes)}", flush=True)


if __name__ == "__main__":
    main()
