"""A command is added as adrec_cli/README.md says: a module, and a line in `COMMANDS`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import adrec_cli.cli
from adrec_cli.cli import commands
from adrec_cli.cli.app import app

README = Path(__file__).resolve().parents[2] / "adrec_cli/README.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The command that the page shows, added as the page says; its name."""
    code = re.search(r"```python\n# adrec_cli/cli/(\w+)\.py\n(.*?)```", README.read_text(), re.S)
    assert code is not None
    name = code[1]
    (tmp_path / f"{name}.py").write_text(code[2])
    monkeypatch.setattr(adrec_cli.cli, "__path__", [*adrec_cli.cli.__path__, str(tmp_path)])
    monkeypatch.setattr(commands, "COMMANDS", {**commands.COMMANDS, name: commands.DATA})
    yield name
    sys.modules.pop(f"adrec_cli.cli.{name}", None)


def typed(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, list(words), prog_name="adrec")


def test_the_command_of_the_page_works_as_any_other(example: str) -> None:
    assert f"  {example}  " in typed("--help").stdout
    shown = typed(example, "--help").stdout
    assert "--times N" in shown
    assert "[default: 1]" in shown
    assert f"$ adrec {example}" in shown
    assert typed(example).stdout == "Hello.\n"
    assert typed(example, "--times", "2").stdout == "Hello.\nHello.\n"
    assert json.loads(typed(example, "--times", "2", "--json").stdout) == {"times": 2}
    refused = typed(example, "--times", "0")
    assert refused.exit_code == 2
    assert "--times must be between 1 and 10, got 0" in refused.stderr


def test_the_page_says_where_the_line_goes() -> None:
    text = README.read_text()
    assert "`COMMANDS` of `cli/commands.py`" in text
    assert "COMMANDS: Final" in (README.parent / "cli/commands.py").read_text()
