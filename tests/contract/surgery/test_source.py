"""What a training starts from is checked before anything is loaded."""

import sys
from pathlib import Path

import pytest

from pare.artifacts import seal
from pare.errors import InputError, MissingExtra
from pare.families import family_of, read_config
from pare.methods.lora import Lora
from pare.methods.source import source_of

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pare.testing.contexts import tiny_context, tiny_writing


def test_without_peft_the_command_that_adds_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"training adapters needs peft.*pip install 'pare-lm\[build\]'"):
        Lora().apply(None, tiny_context(tmp_path), tmp_path / "out")


def test_lengths_are_the_parents_unless_the_step_says_otherwise_and_never_more_than_the_model_reads(
    tmp_path: Path,
) -> None:
    ctx = tiny_writing(tmp_path)
    config = read_config(ctx.base)
    shape = family_of(config).shape(config, 0)
    parent = seal(ctx.base, format="decoder", labels=(), shape=shape, max_length=30, kind="generate")
    assert source_of(None, ctx).max_length == shape.max_length == 64
    assert source_of(parent, ctx).max_length == 30
    assert source_of(parent, ctx, 20).max_length == 20
    assert source_of(parent, ctx, 500).max_length == 64
    assert source_of(parent, ctx).id == parent.id
    assert source_of(parent, ctx).pretrained


def test_what_has_learnt_nothing_is_known_by_its_lineage(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    config = read_config(ctx.base)
    shape = family_of(config).shape(config, 0)
    lineage = {"step": {"method": "student", "params": {"layers": 1}}}
    parent = seal(ctx.base, format="decoder", labels=(), shape=shape, max_length=30, kind="generate", lineage=lineage)
    assert not source_of(parent, ctx).pretrained


def test_a_base_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    (ctx.base / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json; save"):
        source_of(None, ctx)
