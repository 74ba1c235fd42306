"""The task: what the job is, as a typed record, from ``task.yaml`` or from a data file and flags."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pare.data.fields import FIELDS, LADDER, SECTIONS, check, flag, with_columns
from pare.errors import InputError, nearest
from pare.kinds import cells_of
from pare.types import Bar, Budget, DataSpec, Kind, Limits

__all__ = ["Task", "with_flags"]

COLUMN = "column:"
"""How a reference begins that is a column of logged answers."""
_FILES = ("path", "test", "synthetic", "unlabelled")
_PARTS = {"data": DataSpec, "bar": Bar, "limits": Limits, "budget": Budget}


@dataclass(frozen=True, slots=True)
class Task:
    """A job: rows, a bar, limits, and what to minimise.

    ``bar.within`` and ``bar.at_least`` both None stand for the default margin, which is decided from what the data can
    prove. ``minimise`` is ``size`` by default: the bytes of the served files, the one figure that is the same everywhere.
    ``candidates`` are rungs of the ladder; ``students:1,2`` names the depths.
    """

    name: str
    data: DataSpec
    kind: Kind = "classify"
    bar: Bar = field(default_factory=Bar)
    reference: str = "finetune"
    incumbent: str | None = None
    volume: float | None = None
    base: str = "all-MiniLM-L6-v2"
    candidates: tuple[str, ...] = LADDER
    limits: Limits = field(default_factory=Limits)
    minimise: Literal["size", "latency", "cost", "energy"] = "size"
    budget: Budget = field(default_factory=Budget)
    seed: int = 0

    @property
    def has_incumbent(self) -> bool:
        """Whether the candidates are held against a large model's logged answers."""
        return self.reference.startswith(COLUMN)

    @property
    def imitates(self) -> bool:
        """Whether those answers are also the labels: nobody knows which of them are right."""
        return self.has_incumbent and self.data.target == self.data.answer

    @staticmethod
    def read(path: str | Path, *, metrics: Collection[str] | None = None) -> Task:
        """Reads a task file. Relative paths in it are relative to the file; ``metrics`` are the known ones, to check.

        Raises InputError where the file is missing, is no YAML (file and line), or breaks a rule (file, field, value).
        """
        path = Path(path)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            near = nearest(path.name, (p.name for p in path.parent.glob("*.y*ml"))) if path.parent.is_dir() else ""
            raise InputError(f"{path} does not exist{'; ' + near if near[-2:] not in ('', ': ') else ''}") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from None
        stem = path.resolve().parent.name if path.stem == "task" else path.stem
        return Task.parse(raw, source=str(path), folder=path.parent, name=stem, metrics=metrics)

    @staticmethod
    def parse(
        text: str | bytes,
        *,
        source: str = "task.yaml",
        folder: Path = Path(),
        name: str = "",
        metrics: Collection[str] | None = None,
    ) -> Task:
        """Reads a task from YAML text. ``source`` names it in messages; ``name`` is used where the text has none."""
        flat = with_columns(_flatten(_load(text, source), source))
        for required in (f.name for f in FIELDS.values() if f.required):
            if flat.get(required) is None:
                raise InputError(f"{source}: {required} is missing; add it under {required.partition('.')[0]}")
        task = _build(flat, lambda field: f"{source}: {field}", name)
        task = _resolve(task, folder)
        _check_metric(task, metrics, f"{source}: bar.metric")
        return task

    @staticmethod
    def of(
        path: str | Path,
        *,
        input: str | None = None,
        target: str | None = None,
        metrics: Collection[str] | None = None,
        **flags: Any,
    ) -> Task:
        """The task of a data file and flags, named as in ``pare find`` with underscores: ``within``, ``size_mb``, …

        ``input`` and ``target`` name columns; a CoNLL file (kind tag) needs none.

        Raises InputError where a flag is unknown or its value breaks a rule.
        """
        known = {field.rpartition(".")[2]: field for field in FIELDS}
        flat: dict[str, Any] = {"data.path": str(path), "data.input": input, "data.target": target}
        for key, value in flags.items():
            if key not in known:
                raise InputError(f"there is no flag {flag(key)}; {nearest(key, known)}")
            flat[known[key]] = value
        task = _build(with_columns(flat), flag, "")
        _check_metric(task, metrics, "--metric")
        return task

    def to_yaml(self, folder: Path | None = None) -> str:
        """The task file that this task stands for, its defaults as comments. Reading it back gives an equal task.

        Paths are written as seen from ``folder`` (where the file is meant to lie), by default the working directory.
        """
        task = self if folder is None else _relative(self, folder)
        lines = [_line(name, task, "") for name in FIELDS if "." not in name]
        blocks = [_block(section, task) for section in SECTIONS]
        return "\n".join([*lines[:2], blocks[0], *lines[2:], *blocks[1:]]) + "\n"


def with_flags(task: Task, flags: Mapping[str, Any], *, metrics: Collection[str] | None = None) -> Task:
    """A task with some dotted fields replaced, as by flags: ``{"bar.within": 0.03}``. None leaves a field as it is.

    ``bar.within`` and ``bar.at_least`` replace each other. Raises InputError, naming the flag.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        if name not in FIELDS:
            raise InputError(f"there is no field {name}; {nearest(name, FIELDS)}")
    flat = {name: _get(task, name) for name in FIELDS}
    if ("bar.within" in given) != ("bar.at_least" in given):
        flat["bar.within"] = flat["bar.at_least"] = None
    if "kind" in given and task.bar.metric == cells_of(task.kind).metric:
        flat["bar.metric"] = None
    changed = _build(flat | given, flag, task.name)
    _check_metric(changed, metrics, "--metric")
    return changed


# -- YAML -------------------------------------------------------------------------------------------------------------


def _load(text: str | bytes, source: str) -> Any:
    """The tree of a YAML text. Raises InputError with the line where it does not parse or repeats a key."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated(node, source, set())
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            f"{source}{line} is not YAML: {error.problem or error.context}; check indent and quotes"
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        what = str(error).splitlines()[0] if str(error) else "nested too deep"
        raise InputError(f"{source} is not YAML: {what}; write it as UTF-8 text") from None


def _refuse_repeated(node: Any, source: str, seen: set[int]) -> None:
    if id(node) in seen or not isinstance(getattr(node, "value", None), list):
        return
    seen.add(id(node))
    pairs = [item for item in node.value if isinstance(item, tuple)]
    keys: set[str] = set()
    for key, _ in pairs:
        if str(key.value) in keys:
            raise InputError(f"{source}, line {key.start_mark.line + 1}: {key.value} is there twice; keep one")
        keys.add(str(key.value))
    for child in [value for _, value in pairs] or [item for item in node.value if not isinstance(item, tuple)]:
        _refuse_repeated(child, source, seen)


def _flatten(tree: Any, source: str) -> dict[str, Any]:
    """Nested keys as dotted ones. Raises InputError at an unknown key, or where a section is no mapping."""
    if not isinstance(tree, dict):
        raise InputError(f"{source} must hold keys and values; begin with 'data:' and path, input and target under it")
    top = {name.partition(".")[0] for name in FIELDS}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if key not in top:
            raise InputError(f"{source}: there is no field {key}; {nearest(str(key), top)}")
        if key not in SECTIONS:
            flat[key] = value
            continue
        if value is not None and not isinstance(value, dict):
            raise InputError(f"{source}: {key} must hold keys and values but got {str(value)[:60]}")
        inner = {name.partition(".")[2] for name in FIELDS if name.startswith(f"{key}.")}
        for leaf, leaf_value in (value or {}).items():
            if leaf not in inner:
                raise InputError(f"{source}: there is no field {key}.{leaf}; {nearest(str(leaf), inner)}")
            flat[f"{key}.{leaf}"] = leaf_value
    return flat


# -- building ---------------------------------------------------------------------------------------------------------


def _build(flat: Mapping[str, Any], where: Any, name: str) -> Task:
    """A checked task from dotted fields. ``where`` names a field in messages."""
    values = {field: check(field, flat.get(field), where(field)) for field in FIELDS}
    if values["bar.within"] is not None and values["bar.at_least"] is not None:
        raise InputError(f"{where('bar.within')} and at_least cannot both be set; keep one")
    columns = [values[f"data.{key}"] for key in ("input", "target")]
    if columns[0] == columns[1]:
        raise InputError(f"{where('data.target')} must be another column than the input but got {columns[0]} for both")
    if str(values["reference"]).startswith(COLUMN):
        if values["kind"] != "classify":
            raise InputError(
                f"{where('reference')} {COLUMN}NAME must be of kind classify but got kind {values['kind']}; "
                "logged answers are read as one label a text"
            )
        values["data.answer"] = values["reference"].removeprefix(COLUMN)
    elif values["incumbent"] is not None:
        raise InputError(
            f"{where('incumbent')} needs its logged answers but reference is {values['reference']}; "
            "name their column: reference column:NAME"
        )
    if values["kind"] == "generate":
        _check_generate(values, where)
    elif not values["data.input"]:
        raise InputError(
            f"{where('data.input')} must be a column's name for kind {values['kind']} but got an empty text"
        )
    if values["kind"] == "tag" and values["data.rare"] != "quarantine":
        raise InputError(f"{where('data.rare')} must be quarantine for kind tag but got {values['data.rare']}")
    values["bar.metric"] = values["bar.metric"] or cells_of(values["kind"]).metric
    parts = {
        part: kind(**{field.name: values[f"{part}.{field.name}"] for field in fields(kind)})
        for part, kind in _PARTS.items()
    }
    rest = {field: value for field, value in values.items() if "." not in field}
    rest["name"] = values["name"] or name or _stem(values["data.path"])
    return Task(**rest, **parts)


def _check_generate(values: Mapping[str, Any], where: Any) -> None:
    """Refuses what a task of kind generate cannot have: other rows to train on, and a metric of labels."""
    for name in ("data.synthetic", "data.unlabelled"):
        if values[name] is not None:
            raise InputError(f"{where(name)} is for kinds with labels but the kind is generate; leave it out")
    if values["bar.metric"] not in (None, cells_of("generate").metric):
        raise InputError(
            f"{where('bar.metric')} must be {cells_of('generate').metric} for kind generate but got {values['bar.metric']}"
        )


def _stem(path: str) -> str:
    return re.sub(r"[^\w-]+", "-", Path(path).name.partition(".")[0]).strip("-") or "task"


def _check_metric(task: Task, metrics: Collection[str] | None, where: str) -> None:
    if metrics is not None and task.kind != "generate" and task.bar.metric not in metrics:
        raise InputError(
            f"{where} must be a known metric but got {task.bar.metric}; {nearest(task.bar.metric, metrics)}"
        )


def _paths(task: Task, folder: Path) -> dict[str, str]:
    """The relative paths in a task: those of data, and a base or reference that begins like one."""
    from pare.data.read import is_hub_id

    found = {f"data.{key}": value for key in _FILES if (value := getattr(task.data, key)) is not None}
    found = {key: value for key, value in found.items() if not is_hub_id(value, folder)}
    found |= {key: getattr(task, key) for key in ("base", "reference") if getattr(task, key)[0] in ".~"}
    return {key: value for key, value in found.items() if not Path(value).is_absolute()}


def _resolve(task: Task, folder: Path) -> Task:
    return _moved(task, {key: str(folder / Path(path).expanduser()) for key, path in _paths(task, folder).items()})


def _relative(task: Task, folder: Path) -> Task:
    seen = {key: os.path.relpath(path, folder) for key, path in _paths(task, Path()).items()}
    return _moved(task, {key: path if path.startswith(".") else f"./{path}" for key, path in seen.items()})


def _moved(task: Task, paths: Mapping[str, str]) -> Task:
    return _build({name: _get(task, name) for name in FIELDS} | dict(paths), str, task.name)


# -- writing ----------------------------------------------------------------------------------------------------------


def _get(task: Task, name: str) -> Any:
    value: Any = task
    for key in name.split("."):
        value = getattr(value, key)
    return value


def _line(name: str, task: Task, indent: str) -> str:
    key, default, value = name.rpartition(".")[2], FIELDS[name].default, _get(task, name)
    if name == "bar.metric":
        default = cells_of(task.kind).metric
    if value == default and name != "kind":
        return f"# {indent}{key}: {_scalar(default)}  # {FIELDS[name].help}"
    return f"{indent}{key}: {_scalar(value)}"


def _block(section: str, task: Task) -> str:
    names = [name for name in FIELDS if name.startswith(f"{section}.")]
    lines = [_line(name, task, "  ") for name in names]
    head = f"{section}:" if any(not line.startswith("#") for line in lines) else f"# {section}:"
    return "\n".join([head, *lines])


def _scalar(value: Any) -> str:
    import yaml

    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Decimal) else value
    as_it_is = str(plain).isprintable()
    text: str = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=as_it_is, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
