"""The data sets that have a name: one TOML each, those adrec comes with and the user's own.

A file `NAME.by-PARAMETER.toml` describes several data sets: `{PARAMETER}` in it stands for VALUE where `NAME:VALUE` is
typed.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.damaged import read_each
from adrec_cli.artifacts.manifest import DATASET_NAME
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.data.datasets import DatasetSpec
from adrec_cli.data.own_folders import OWN_DATASETS_VARIABLE, download_folder, former_folder, own_datasets_folder
from adrec_cli.data.toml_tables import build
from adrec_cli.errors import AdrecError, InputError, UsageError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.wording import command

_ENDING: Final = ".toml"
_BY: Final = ".by-"


@dataclass(frozen=True, kw_only=True)
class ListedDataset:
    """A named data set in a list.

    Attributes:
        name: of its folder in a workspace.
        source: what is typed, with the parameter in capitals: amazon-2023:CATEGORY.
        title, licence: for people.
        files: "cached" (downloaded already), "download", "download, unchecked" (needs --download-sha256), "by hand"
            or "generated".
        bytes: that are downloaded; None where it is not known.
        interactions: that are expected, None where nobody knows.
        checked: whether adrec's tests have seen the expected counts come out.
    """

    name: str
    source: str
    title: str
    licence: str
    files: str
    bytes: int | None
    interactions: int | None
    checked: bool


@dataclass(frozen=True, kw_only=True)
class AddedDataset:
    """A description the user has added: the name of the data set, what is typed for it, and where it is kept."""

    name: str
    source: str
    path: Path


def dataset_folder() -> Path:
    """Return the folder of the TOML files: in the installed package, else in the source checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def dataset_names() -> list[str]:
    """Return the names of all data sets adrec knows, sorted, without those that have a parameter.

    Those of packages that cannot be loaded are among them, so that asking for one by name says why.
    """
    files, broken = _look_everywhere()
    return sorted({name for name in files if _BY not in name} | broken.keys())


def list_parametrized() -> dict[str, str]:
    """Return the names that take a value behind a colon, and what the value is: {"amazon-2023": "category"}."""
    found = [name.partition(_BY) for name in _files() if _BY in name]
    return {name: parameter for name, _, parameter in sorted(found)}


def is_named(text: str) -> bool:
    """Return whether a text names a data set, perhaps with a value behind a colon."""
    name, colon, value = text.partition(":")
    files, broken = _look_everywhere()
    return text in files or name in broken or bool(colon and value and name in list_parametrized())


def find_named_source(dataset: str) -> str | None:
    """Return what is typed for a data set of the workspace if it is a named one: amazon-2023:Books; else None."""
    if dataset in dataset_names():
        return dataset
    for name in list_parametrized():
        value = dataset.removeprefix(f"{name}-")
        if value == dataset:
            continue
        parameter = describe_dataset(name).parameter
        if parameter is not None and value in parameter.values:
            return f"{name}:{value}"
    return None


def load_dataset_spec(name: str) -> DatasetSpec:
    """Read the description of a named data set.

    Raises:
        UsageError: there is none of that name, its parameter has no such value, or the package that adds it is broken.
        InputError: its TOML is damaged or has an unknown key.
    """
    base, _, value = name.partition(":")
    _, broken = _look_everywhere()
    if base in broken:
        raise broken[base]
    parameters = list_parametrized()
    if base in parameters:
        return read_dataset_spec(_files()[f"{base}{_BY}{parameters[base]}"], value)
    if name not in dataset_names():
        known = [*dataset_names(), *(f"{one}:{what.upper()}" for one, what in parameters.items())]
        raise UsageError(
            f"there is no data set named {name!r}", hint=f"one of: {', '.join(known)}; or the path of a file"
        )
    return read_dataset_spec(_files()[name])


def describe_dataset(name: str) -> DatasetSpec:
    """Read the description of a named data set; of one with a parameter as it stands, if no value is given.

    Raises:
        as `load_dataset_spec`.
    """
    parameters = list_parametrized()
    if name not in parameters:
        return load_dataset_spec(name)
    content = _read_toml(_files()[f"{name}{_BY}{parameters[name]}"])
    return _build(_files()[f"{name}{_BY}{parameters[name]}"], {**_blank_checksums(content), "name": name})


def read_dataset_spec(path: Path, value: str | None = None) -> DatasetSpec:
    """Read and check one TOML file.

    Args:
        path: named `NAME.toml`, or `NAME.by-PARAMETER.toml`.
        value: of the parameter.

    Raises:
        UsageError: the parameter has no such value.
        InputError: it is damaged, or a key is unknown, missing or of the wrong type.
        StorageError: it cannot be read.
    """
    content = _read_toml(path)
    name, by, parameter = path.stem.partition(_BY)
    if not by:
        return _build(path, {**content, "name": name})
    known = _build(path, {**_blank_checksums(content), "name": name}).parameter
    if known is None:
        raise InputError(f"{path}: there is no [parameter]", hint=f"say which values {parameter} has")
    if value is None or value not in known.values:
        raise UsageError(
            f"{name} has no {parameter} {value!r}" if value else f"{name} is many data sets, one per {parameter}",
            hint=f"for example {name}:{next(iter(known.values))}; see them all with: {command('datasets show', name)}",
        )
    texts = {parameter: value, **known.values[value]}
    return replace(_build(path, {**_fill(content, texts), "name": f"{name}-{value}"}), parameter=None)


def list_named(workspace: Path) -> tuple[list[ListedDataset], list[str]]:
    """Return all named data sets, and a line about each whose description is damaged or cannot be loaded."""
    listed: list[ListedDataset] = []
    damaged: list[str] = []
    parameters = list_parametrized()
    for name, spec in read_each(sorted([*dataset_names(), *parameters]), describe_dataset, damaged):
        form = next((form for form in spec.sources if form.published), None)
        sizes = [one.bytes for one in form.published] if form is not None else [0]
        listed.append(
            ListedDataset(
                name=name,
                source=f"{name}:{parameters[name].upper()}" if name in parameters else name,
                title=spec.title,
                licence=spec.licence,
                files=_how(spec, workspace),
                bytes=None if None in sizes else sum(size or 0 for size in sizes),
                interactions=spec.expected.interactions,
                checked=spec.expected.checked,
            )
        )
    return listed, damaged


def add_own_dataset(path: Path) -> AddedDataset:
    """Check a description and keep it with the user's own.

    Raises:
        UsageError: its name is taken, cannot be a data set's, or there is no home folder.
        InputError: it is damaged. StorageError: it cannot be read or kept.
    """
    name, by, parameter = path.stem.partition(_BY)
    if path.suffix != _ENDING or not re.fullmatch(DATASET_NAME, name) or (by and not re.fullmatch(r"\w+", parameter)):
        raise UsageError(
            f"{path.name} does not name a data set", hint=f"call it NAME{_ENDING}, with letters, digits, '-' and '_'"
        )
    shipped = [one.stem.partition(_BY)[0] for one in matching_paths(dataset_folder(), f"*{_ENDING}")]
    if name in shipped:
        raise UsageError(f"adrec has a data set named {name} already", hint=f"choose another name: my-{name}{_ENDING}")
    content = _read_toml(path)
    _build(path, {**_blank_checksums(content), "name": name})
    folder = own_datasets_folder()
    if folder is None:
        raise UsageError("there is no home folder to keep it in", hint=f"name a folder with {OWN_DATASETS_VARIABLE}")
    target = folder / path.name
    write_bytes(target, path.read_bytes())
    return AddedDataset(name=name, source=f"{name}:{parameter.upper()}" if by else name, path=target)


def _how(spec: DatasetSpec, workspace: Path) -> str:
    """Return how the files of a data set come."""
    if spec.generated:
        return "generated"
    folders = [download_folder(spec.name, workspace), former_folder(spec.name, workspace)]
    if any(all((folder / name).is_file() for name in form.files) for form in spec.sources for folder in folders):
        return "cached"
    form = next((form for form in spec.sources if form.published), None)
    if form is None:
        return "by hand"
    open_pins = spec.parameter is not None and all(spec.parameter.values.values())
    return "download" if open_pins or all(one.known for one in form.published) else "download, unchecked"


def _files() -> dict[str, Path]:
    """Return the TOML files by their stems; what adrec comes with goes before the user's own."""
    return _look_everywhere()[0]


def _look_everywhere() -> tuple[dict[str, Path], dict[str, UsageError]]:
    """Return the TOML files by their stems, and why those that packages add cannot be used, by name.

    What adrec comes with goes before what packages add, and that before the user's own.
    """
    own = own_datasets_folder()
    paths: list[Path] = []
    if own is not None:
        # Another user's home, as with `sudo -u`, holds no data sets of this user.
        with contextlib.suppress(PermissionError):
            paths += matching_paths(own, f"*{_ENDING}")
    shipped = {path.stem: path for path in matching_paths(dataset_folder(), f"*{_ENDING}")}
    usable, broken = DATASETS.load_all()
    paths += [path for thing in usable.values() if (path := as_path(thing)) is not None]
    # A package may not take a name of adrec's, nor break it; the user's own gives no other meaning to a broken one.
    for stem in shipped:
        broken.pop(stem.partition(_BY)[0], None)
    others = {path.stem: path for path in paths if path.stem.partition(_BY)[0] not in broken}
    return {**others, **shipped}, broken


def as_path(thing: object) -> Path | None:
    """Return the path that something from outside is; None if it is none."""
    return Path(thing) if isinstance(thing, (str, PathLike)) else None


def require_description(name: str, thing: object) -> None:
    """Raise unless something is the path of a data set's description that has its name and can be read.

    Raises:
        UsageError: it is not.
    """
    path = as_path(thing)
    if path is None or path.suffix != _ENDING or path.stem.partition(_BY)[0] != name:
        raise UsageError(
            f"data set {name!r} is not the path of {name}{_ENDING}", hint="give the path of its description"
        )
    if (dataset_folder() / path.name).is_file():
        raise UsageError(f"adrec has a data set named {name} already", hint="choose another name")
    try:
        _build(path, {**_blank_checksums(_read_toml(path)), "name": name})
    except AdrecError as error:
        raise UsageError(error.message, hint=error.hint) from error


DATASETS: OpenSet[object] = OpenSet(
    "data set", {}, group="adrec.datasets", require="adrec_cli.data.named_datasets:require_description"
)
"""Paths of descriptions from outside, by name."""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise storage_error("read", path, error) from error
    except ValueError as error:
        raise InputError(f"{path}: {error}", hint="fix the TOML file") from error


def _build(path: Path, content: Mapping[str, Any]) -> DatasetSpec:
    try:
        spec: DatasetSpec = build(DatasetSpec, content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}", hint="fix the TOML file") from error
    return spec


def _fill(value: Any, texts: Mapping[str, str]) -> Any:
    """Return TOML with each {KEY} in its texts replaced; a table of parameters is left as it is."""
    if isinstance(value, dict):
        return {key: entry if key == "parameter" else _fill(entry, texts) for key, entry in value.items()}
    if isinstance(value, list):
        return [_fill(entry, texts) for entry in value]
    if isinstance(value, str):
        return re.sub(r"\{([\w-]+)\}", lambda found: texts.get(found[1], found[0]), value)
    return value


def _blank_checksums(content: dict[str, Any]) -> dict[str, Any]:
    """Return TOML whose checksums are open as one that has none, so that it can be shown."""
    return _fill(content, dict.fromkeys(("sha256", "git_blob", "md5"), ""))  # type: ignore[no-any-return]
