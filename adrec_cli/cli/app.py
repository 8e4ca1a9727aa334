"""The `adrec` command: every subcommand in its help panel, and the way in and out of the process."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adrec_cli import __version__
from adrec_cli.cli.align import align
from adrec_cli.cli.bench import bench
from adrec_cli.cli.clean import clean
from adrec_cli.cli.command import add_command, typeable
from adrec_cli.cli.compare import compare
from adrec_cli.cli.config import config
from adrec_cli.cli.convert import convert
from adrec_cli.cli.datasets import add_dataset, list_datasets, show_dataset
from adrec_cli.cli.encode import encode
from adrec_cli.cli.evaluate import evaluate
from adrec_cli.cli.export import export
from adrec_cli.cli.failures import BROKEN_PIPE, discard_output, report_usage
from adrec_cli.cli.finetune import finetune
from adrec_cli.cli.forget import forget
from adrec_cli.cli.inspect import inspect
from adrec_cli.cli.launching import end_now
from adrec_cli.cli.plot import plot
from adrec_cli.cli.preprocess import preprocess
from adrec_cli.cli.pretrain import pretrain
from adrec_cli.cli.recommend import recommend
from adrec_cli.cli.report import report
from adrec_cli.cli.rollback import rollback
from adrec_cli.cli.run import run
from adrec_cli.cli.serve import serve
from adrec_cli.cli.show.streams import prepare_streams
from adrec_cli.cli.status import status
from adrec_cli.cli.sweep import sweep
from adrec_cli.cli.train import train
from adrec_cli.cli.tune import tune
from adrec_cli.cli.verify import verify
from adrec_cli.errors import ExitCode
from adrec_cli.runtime import find_launched
from adrec_cli.wording import speak_shell

ALL, DATA, TRAINING, USING = "Everything at once", "Data", "Training", "Using a model"
SEEING, KEEPING = "Seeing what a model does", "Keeping the workspace"

app = typer.Typer(
    name="adrec",
    help="Train and run diffusion-based sequential recommenders: ADRec and the systems it is compared with.",
    epilog="[bold]Begin with[/bold]\n\n  $ adrec run demo\n\n  $ adrec recommend --dataset demo --user u0001",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
datasets = typer.Typer(name="datasets")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"adrec {__version__}")
        raise typer.Exit


@app.callback()
def _adrec(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options before the command."""


add_command(
    app, run, panel=ALL,
    examples=[
        "adrec run demo",
        "adrec run grocery --raw downloads",
        'adrec run today.csv --update shop --promote-if "ndcg@10 >= current - 0.002"',
        "adrec run shop --inbox incoming/ --archive taken/ --wait 3600",
    ],
)  # fmt: skip
add_command(
    app, preprocess, panel=DATA,
    examples=[
        "adrec preprocess grocery --raw downloads",
        "adrec preprocess shop.csv --user-column customer --item-column sku --timestamp-column 3",
        "adrec preprocess ml-1m --split time --valid-from 2000-11-01 --test-from 2000-12-01",
    ],
)  # fmt: skip
add_command(
    app, convert, panel=DATA,
    examples=["adrec convert grocery --to recbole --out for-recbole", "adrec convert shop --to csv --out shop-csv"],
)  # fmt: skip
add_command(
    app, encode, panel=DATA,
    examples=["adrec encode shop", "adrec encode shop --encoder tfidf=title,description --encoder numbers=price"],
)  # fmt: skip
add_command(
    app, pretrain, panel=TRAINING,
    examples=["adrec pretrain grocery", "adrec pretrain grocery --epochs 20 --set model.hidden_size=64"],
)  # fmt: skip
add_command(app, align, panel=TRAINING, examples=["adrec align --from pretrain.safetensors"])
add_command(
    app, finetune, panel=TRAINING,
    examples=["adrec finetune --from align.safetensors", "adrec finetune --from align.safetensors --mse-weight 0.7"],
)  # fmt: skip
add_command(
    app, train, panel=TRAINING,
    examples=["adrec train grocery", "adrec train grocery --preset report", "adrec train grocery --config my.toml"],
)  # fmt: skip
add_command(
    app, config, panel=TRAINING,
    examples=["adrec config model.dropout", "adrec config stages.align", "adrec config --model sasrec --json"],
)  # fmt: skip
add_command(
    app, sweep, panel=TRAINING,
    examples=[
        "adrec sweep grocery --vary steps=5,10,20,50",
        "adrec sweep grocery --ablate three-stage --ablate token-level --ablate pretrain",
        "adrec sweep grocery --vary mse_weight=0.1,0.5,0.9 --vary lambda=0.001,0.1 --seeds 3",
        "adrec sweep grocery --model sasrec --vary model.dropout=0.1,0.3,0.5 --vary blocks=1,2 --grid",
        "adrec sweep grocery --vary sampling.steps=1,4,32 --negatives 99",
    ],
)  # fmt: skip
add_command(
    app, tune, panel=TRAINING,
    examples=[
        "adrec tune grocery --search learning_rate=1e-4..1e-2:log --search model.dropout=0.1..0.6 --trials 30",
        "adrec tune grocery --search stages.align.embedding_decay=0.0..0.8 --timeout 8h",
        "adrec tune grocery --model sasrec --search hidden_size=32,64,128 --search blocks=1..3 --pruner hyperband",
    ],
)  # fmt: skip
add_command(
    app, evaluate, panel=USING,
    examples=[
        "adrec evaluate finetune.safetensors",
        "adrec evaluate finetune --negatives 99 --steps 1 --noise zero",
        "adrec evaluate finetune --steps 1,2,4,8,16,32",
        "adrec evaluate mostpop --dataset grocery --json",
    ],
)  # fmt: skip
add_command(
    app, compare, panel=USING,
    examples=[
        "adrec compare grocery",
        "adrec compare grocery --models adrec,adrec/pretrain,sasrec --negatives 99 --markdown",
        "adrec compare grocery --models adrec,sasrec --seeds 3",
    ],
)  # fmt: skip
add_command(
    app, recommend, panel=USING,
    examples=[
        "adrec recommend --user 42",
        'adrec recommend --history "milk,bread" -k 5 --json',
        "adrec recommend --all -k 100 --out recs.parquet",
        "adrec recommend --users newsletter.txt --events today.csv --category tea --out recs.csv",
    ],
)  # fmt: skip
add_command(app, export, panel=USING, examples=["adrec export adrec.onnx", "adrec export sasrec.pt2 --model sasrec"])
add_command(app, serve, panel=USING, examples=["adrec serve", "adrec serve --dataset grocery --port 9000"])
add_command(app, report, panel=USING, examples=["adrec report grocery", "adrec report grocery --out grocery.html"])
add_command(app, bench, panel=USING, examples=["adrec bench", "adrec bench --dataset grocery --threads 1 --json"])
add_command(app, rollback, panel=USING, examples=["adrec rollback grocery", "adrec rollback shop --data"])
add_command(
    app, inspect, panel=SEEING,
    examples=[
        "adrec inspect adrec sasrec --dataset grocery",
        "adrec inspect pretrain align finetune --dataset grocery",
        "adrec inspect finetune --item s00e00 -k 5",
    ],
)  # fmt: skip
add_command(
    app, plot, panel=SEEING, examples=["adrec plot grocery", "adrec plot grocery --only curves --only spectrum"]
)
add_command(app, status, panel=ALL, examples=["adrec status", "adrec status --workspace shops --json"])
add_command(app, verify, panel=KEEPING, examples=["adrec verify", "adrec verify workspace --raw downloads --json"])
add_command(
    app, forget, panel=KEEPING,
    examples=["adrec forget shop --user 42", "adrec forget shop --users leavers.txt --retrain"],
)  # fmt: skip
add_command(app, clean, panel=KEEPING, examples=["adrec clean --dry-run", "adrec clean --yes"])
datasets.callback(invoke_without_command=True)(typeable(list_datasets))
add_command(datasets, show_dataset, panel=DATA, name="show", examples=["adrec datasets show grocery"])
add_command(datasets, add_dataset, panel=DATA, name="add", examples=["adrec datasets add shop.toml"])
app.add_typer(datasets, rich_help_panel=DATA)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    prepare_streams()
    code = _exit_code(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        code = BROKEN_PIPE
    except OSError:
        # Reported already where it first failed, unless that was here.
        discard_output()
        code = code or int(ExitCode.STORAGE)
    if find_launched() is not None:
        end_now(code)
    sys.exit(code)


def _exit_code(arguments: list[str] | None) -> int:
    try:
        with speak_shell():
            return int(app(args=arguments, prog_name="adrec", standalone_mode=False) or 0)
    except BrokenPipeError:
        discard_output()
        return BROKEN_PIPE
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.SIGINT)
    except Exception as error:
        return report_usage(error)
