"""`adrec compare --latex`: a table for a paper, whatever names stand in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.harmless_text import harmless
from adrec_cli.cli.show.compare import show_comparison
from adrec_cli.cli.show.latex import escape_latex, list_latex_lines
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.comparing.side_by_side import ComparedModel, ModelComparison
from adrec_cli.ranking.significance import Difference
from tests.cli.conftest import Adrec

HOSTILE = r"""\input{/etc/passwd} 100% $x_1^2$ & #1 ~ {a}} -- --- '' `` ?` "q" <b> | [2em] \\* ±"""


def a_model(name: str, model: str, metrics: dict[str, float], p: float | None = None, **more: Any) -> ComparedModel:
    gain = Difference(value=0.01, low=0.0, high=0.02, p=p or 1, p_holm=p or 1)
    loss = Difference(value=-0.01, low=-0.02, high=0.0, p=0.01, p_holm=0.01)
    differences = {} if p is None else {"ndcg@10": gain, "hr@10": loss}
    intervals = {metric: [value - 0.01, value + 0.01] for metric, value in metrics.items()}
    told: dict[str, Any] = {"stage": "", "spread": {}, "seeds": [42], "tried": 0, "reports": []}
    costs = {"training_seconds": 1.0, "processor_seconds": 1.0, "epochs": 1.0, "seconds_per_user": 0.1, "parameters": 9}
    rest = {**told, **costs, **more}
    return ComparedModel(
        name=name, model=model, metrics=metrics, intervals=intervals, differences=differences, **rest
    )  # fmt: skip


def a_comparison(models: list[ComparedModel], dataset: str = "toys_2024") -> ModelComparison:
    return ModelComparison(
        dataset=dataset, protocol="loo/sampled-99/test", negatives_source="drawn with seed 0",
        metrics=["ndcg@10", "hr@10"], reference=models[1].name if len(models) > 1 else None, users=1200, cases=1200,
        models=models,
    )  # fmt: skip


GOLDEN = r"""% \usepackage{booktabs}
\begin{table}
  \centering
  \caption{Models on toys\_2024. Behind $\pm$ half of the 95\% interval, a bootstrap over users. The best of each metric is bold, the second underlined. $^{\ast}$ is above and $^{\dagger}$ below SASRec with $p < 0.05$ of a paired randomisation test over users, in each metric corrected for 2 comparisons (Holm). Protocol loo/sampled-99/test, 1,200 users; negatives: drawn with seed 0.}
  \label{tab:toys-2024-loo-sampled-99-test}
  \begin{tabular}{lrr}
    \toprule
    Model & NDCG@10 & HR@10 \\
    \midrule
    ADRec & \textbf{.3389}$^{\ast}$ $\pm$.0100 & \underline{.4000}$^{\dagger}$ $\pm$.0100 \\
    SASRec & \underline{.3008} $\pm$.0100 & \textbf{.4123} $\pm$.0100 \\
    ADRec (pretrain) & \underline{.3008} $\pm$.0100 & .3900$^{\dagger}$ $\pm$.0100 \\
    \bottomrule
  \end{tabular}
\end{table}
"""  # noqa: E501


def test_models_that_were_not_searched_alike_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {"ndcg@10": 0.3, "hr@10": 0.4}
    for tried, seeds, said in (
        ((30, 2), [42], True),
        ((7, 7), [42], False),
        ((0, 0), [42], False),
        ((30, 0), [], False),
    ):
        models = [a_model("adrec", "adrec", scores, tried=tried[0])]
        models += [a_model("adrec/pretrain", "adrec", scores, tried=tried[0])]
        models += [a_model("sasrec", "sasrec", scores, tried=tried[1], seeds=seeds)]
        show_comparison(Terminal(), a_comparison(models), markup="markdown")
        shown = " ".join(capsys.readouterr().out.split())
        assert ("not searched alike (adrec 30, sasrec 2 settings)" in shown) is said


def test_a_table_as_papers_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    models = [
        a_model("adrec", "adrec", {"ndcg@10": 0.3389, "hr@10": 0.4}, p=0.001),
        # Equal in the digits that are shown, so both are second.
        a_model("sasrec", "sasrec", {"ndcg@10": 0.30081, "hr@10": 0.4123}),
        a_model("adrec/pretrain", "adrec", {"ndcg@10": 0.30079, "hr@10": 0.39}, p=0.05),
    ]
    show_comparison(Terminal(), a_comparison(models), markup="latex")
    assert capsys.readouterr().out == GOLDEN


def test_one_model_is_not_the_best_of_anything(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(
        Terminal(), a_comparison([a_model("adrec", "adrec", {"ndcg@10": 0.3, "hr@10": 1.0})]), markup="latex"
    )
    told = capsys.readouterr().out
    assert r"ADRec & .3000 $\pm$.0100 & 1.0000 $\pm$.0100 \\" in told
    assert not re.search("textbf|underline|bold|Holm", told)


def test_models_of_one_title_keep_the_names_they_were_asked_by(capsys: pytest.CaptureFixture[str]) -> None:
    models = [
        a_model("toys", "ADRec", {"ndcg@10": 0.3, "hr@10": 0.4}),
        a_model("adrec", "adrec", {"ndcg@10": 0.2, "hr@10": 0.3}),
    ]
    show_comparison(Terminal(), a_comparison(models), markup="latex")
    told = capsys.readouterr().out
    assert "\n    toys & " in told
    assert "\n    adrec & " in told


def read_latex(text: str) -> str:
    """Return what LaTeX prints of escaped text; fails on anything it would act on, or join into another letter."""
    known = {
        r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
        r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`", r"\char34{}": '"', r"$\pm$": "±",
        r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\{": "{", r"\}": "}",
        "{[}": "[", "{*}": "*", "-{}": "-", "'{}": "'", ",{}": ",",
    }  # fmt: skip
    printed, place = "", 0
    while place < len(text):
        macro = next((macro for macro in known if text.startswith(macro, place)), None)
        if macro is None:
            assert text[place] not in '\\&%$#_{}~^<>|`"±\n[*', text[place:]
            assert text[place : place + 2] not in ("--", "''", ",,"), text[place:]
        printed += text[place] if macro is None else known[macro]
        place += len(macro or text[place])
    return printed


@given(st.text() | st.text(alphabet=HOSTILE + "\n\t\x00\u202e"))
def test_every_text_is_printed_as_it_is(text: str) -> None:
    assert read_latex(escape_latex(text)) == " ".join(harmless(text).split())


@given(st.text(alphabet=HOSTILE + "ab1", min_size=1), st.text(alphabet=HOSTILE + "\nab1", min_size=1))
def test_no_name_leaves_its_cell(name: str, dataset: str) -> None:
    row = [escape_latex(name), "1"]
    lines = list_latex_lines(["Model", "HR"], [row], caption=escape_latex(dataset), label=dataset)
    caption, label, told = lines[3], lines[4], lines[9]
    assert read_latex(caption.removeprefix(r"  \caption{").removesuffix("}")) == " ".join(harmless(dataset).split())
    assert re.fullmatch(r"  \\label\{tab:[A-Za-z0-9-]*\}", label)
    assert not told.lstrip().startswith(("[", "*"))
    assert told.endswith(r" & 1 \\")
    assert read_latex(told.removeprefix("    ").removesuffix(r" & 1 \\")) == " ".join(name.split())


def test_it_is_typed(adrec: Adrec, shop: Path) -> None:
    flags = ("compare", "shop", "-w", shop, "--models", "adrec,mostpop", "--latex")
    done = adrec(*flags)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[1], lines[-1]) == (r"\begin{table}", r"\end{table}")
    assert {line.split(" & ")[0].strip() for line in lines[9:11]} == {"ADRec", "MostPopular"}
    both = adrec(*flags, "--markdown")
    assert (both.exit_code, both.stdout) == (2, "")
    assert "--markdown and --latex do not go together" in both.stderr
