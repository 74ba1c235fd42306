"""Decoders are trained: what a family's turns teach is learnt, the same bytes twice, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.errors import InputError
from pare.families import DECODERS, family_of, read_config
from pare.methods.base import BuildContext
from pare.methods.distil import Distil
from pare.methods.finetune import Finetune
from pare.methods.lora import Lora
from pare.methods.student import Student
from pare.testing.conformance import check_method, data_facts
from pare.testing.contexts import tiny_context, tiny_writing
from pare.testing.tiny import tiny_decoder
from pare.types import Artifact

LEARN = Finetune(epochs=20, rate=1e-2, batch=16)


def bits(artifact: Artifact, ctx: BuildContext) -> float:
    """The mean bits that a token of the dev side's answers costs."""
    import torch

    from pare.runtimes.causal import Prompts
    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.turns import read_turns

    prompts = Prompts(artifact.path, artifact.manifest.max_length)
    rows, targets = read_turns(prompts, [(sample.text, sample.label) for sample in ctx.dev])
    batch = pad(rows, np.arange(len(rows)))
    with torch.inference_mode():
        logits = Decoder(load_decoder(artifact.path)).answers(batch).logits
    wanted = torch.from_numpy(targets[batch.answers])
    return float(torch.nn.functional.cross_entropy(logits, wanted)) / float(np.log(2))


@pytest.mark.parametrize("family", DECODERS)
def test_what_the_turns_teach_is_learnt(family: str, tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path, family)
    made = LEARN.apply(None, ctx, tmp_path / "out")
    assert made.manifest.format == "decoder"
    assert made.manifest.kind == "generate"
    assert made.manifest.shape.family == family
    assert bits(made, ctx) < 0.5
    (tmp_path / "again").mkdir()
    assert LEARN.apply(None, ctx, tmp_path / "again").manifest.files == made.manifest.files


@pytest.mark.parametrize("family", DECODERS)
def test_logits_of_answers_are_those_of_the_whole_model(family: str, tmp_path: Path) -> None:
    import torch

    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.turns import turns_of

    module = load_decoder(tiny_decoder(tmp_path / "base", family)).eval()
    rows, targets = turns_of([[0, 5, 6, 7, 1], [0, 9, 8]], [2, 1])
    batch = pad(rows, np.array([0, 1]))
    with torch.inference_mode():
        found = Decoder(module).answers(batch).logits
        whole = module(input_ids=batch.ids, attention_mask=batch.mask).logits
    assert targets.tolist() == [6, 7, 1, 9, 8]
    for place, (row, position) in enumerate([(0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]):
        assert torch.allclose(found[place], whole[row, position], atol=1e-5)


def test_a_training_goes_on_from_an_artifact(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    first = Finetune(epochs=2, rate=1e-2, batch=16, max_length=40).apply(None, ctx, tmp_path / "first")
    second = LEARN.apply(first, ctx, tmp_path / "second")
    assert bits(second, ctx) < bits(first, ctx)
    assert second.manifest.lineage["parent"] == first.id
    assert second.manifest.max_length == first.manifest.max_length == 40


def test_an_encoder_goes_on_with_the_head_that_it_has(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    first = Finetune(epochs=1).apply(None, ctx, tmp_path / "first")
    second = Finetune(epochs=1, rate=1e-9).apply(first, ctx, tmp_path / "second")
    heads = [(made.path / "head.safetensors").read_bytes() for made in (first, second)]
    assert np.allclose(*(np.frombuffer(head[-12:], dtype=np.float32) for head in heads), atol=1e-5)
    assert second.manifest.lineage["parent"] == first.id
    with pytest.raises(InputError, match="both must be the same; start from the base model"):
        Finetune().apply(first, replace(ctx, labels=("a", "b")), tmp_path / "third")


def test_embeddings_and_heads_learn_where_a_decoder_has_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    ctx = tiny_writing(tmp_path)
    names = {"model.embed_tokens.weight", "lm_head.weight"}
    for tied in (False, True):
        base = tiny_decoder(
            tmp_path / f"tied-{tied}", words=[s.text + s.label for s in ctx.train], tie_word_embeddings=tied
        )
        before = load_file(base / "model.safetensors")
        for learns, out in ((None, "all"), (False, "frozen")):
            method = Finetune(epochs=1, rate=1e-2, train_embeddings=learns)
            made = method.apply(None, replace(ctx, base=base), tmp_path / f"{out}-{tied}")
            after = load_file(made.path / "model.safetensors")
            changed = {name for name in names & set(after) if not np.array_equal(before[name], after[name])}
            head = set() if tied else {"lm_head.weight"}
            assert changed == (head if learns is False else head | {"model.embed_tokens.weight"})
            assert read_config(made.path)["tie_word_embeddings"] is tied


def test_what_a_decoder_cannot_be_trained_to_is_refused(tmp_path: Path) -> None:
    writing, choosing = tiny_writing(tmp_path), tiny_context(tmp_path)
    with pytest.raises(InputError, match="hide must be 0 for a decoder"):
        Finetune(hide=0.1).apply(None, writing, tmp_path / "out")
    with pytest.raises(InputError, match="the task asks for labels; start from an encoder"):
        Finetune().apply(None, replace(choosing, base=writing.base), tmp_path / "out")
    with pytest.raises(InputError, match="the task asks for text; start from a decoder"):
        Finetune().apply(None, replace(writing, base=choosing.base), tmp_path / "out")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuildContext, Artifact]:
    """A context whose teacher has learnt the task, and a student of half its width that has learnt nothing."""
    folder = tmp_path_factory.mktemp("taught")
    ctx = tiny_writing(folder)
    ctx = replace(ctx, teacher=LEARN.apply(None, ctx, folder / "teacher"))
    return ctx, Student(layers=1, width=16).apply(None, ctx, folder / "student")


@pytest.mark.parametrize(
    "options",
    [{"hidden": 1.0}, {"mode": "on_policy", "hidden": 1.0}, {"mode": "answers"}],
    ids=["logits", "own", "answers"],
)
def test_a_small_student_from_nothing_learns_by_every_mode(
    options: dict[str, Any], taught: tuple[BuildContext, Artifact], tmp_path: Path
) -> None:
    ctx, student = taught
    method = Distil(epochs=12, rate=2e-2, batch=16, temperature=1.0, **options)
    facts = data_facts(ctx)
    assert method.reshape(student.manifest.shape, facts) == student.manifest.shape
    made = check_method(method, student, student.manifest.shape, ctx, tmp_path)
    assert bits(made, ctx) < min(1.5, 0.4 * bits(student, ctx))
    assert made.manifest.lineage.get("teacher") == (ctx.teacher.id if method.taught and ctx.teacher else None)


def test_answers_that_were_logged_are_learnt_rather_than_labels(
    taught: tuple[BuildContext, Artifact], tmp_path: Path
) -> None:
    ctx, student = taught
    logged = [replace(sample, label="", answer=sample.label) for sample in ctx.train]
    made = Distil(epochs=12, rate=2e-2, batch=16, mode="answers").apply(
        student, replace(ctx, train=logged, teacher=None), tmp_path / "out"
    )
    assert bits(made, ctx) < 1.5


def test_a_teacher_of_another_vocabulary_is_refused_with_the_way_out(
    taught: tuple[BuildContext, Artifact], tmp_path: Path
) -> None:
    ctx, student = taught
    other = tiny_writing(tmp_path)
    base = tiny_decoder(tmp_path / "other", words=["other words than those"])
    teacher = Finetune(epochs=0.1).apply(None, replace(other, base=base), tmp_path / "teacher")
    for mode in ("logits", "on_policy"):
        with pytest.raises(InputError, match=r"the teacher's vocabulary.*distil\(mode=answers\)"):
            Distil(mode=mode).apply(student, replace(ctx, teacher=teacher), tmp_path / "out")


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2", "gemma3_text"])
def test_a_students_bytes_are_foretold(family: str, tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path, family)
    config = read_config(ctx.base)
    base = family_of(config).shape(config, 0)
    for i, method in enumerate((Student(layers=2), Student(layers=1, width=16), Student(layers=4, width=64, heads=8))):
        made = check_method(method, None, base, ctx, tmp_path / str(i))
        shape = made.manifest.shape
        assert (shape.layers, shape.width) == (method.layers, method.width or base.width)
        predicted = method.reshape(base, data_facts(ctx))
        assert [part.name for part in predicted.parts] == [part.name for part in shape.parts]
        assert (predicted.inner, predicted.windows) == (shape.inner, shape.windows)
        assert bits(made, ctx) > 5


def test_a_student_that_cannot_be_is_refused(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    with pytest.raises(InputError, match="heads must divide the width but 3 does not divide 16"):
        Student(layers=1, heads=3).apply(None, ctx, tmp_path / "out")
    with pytest.raises(InputError, match="at least 2 layers"):
        Student(layers=1).apply(None, tiny_context(tmp_path, "modernbert"), tmp_path / "out")


def test_an_encoder_of_another_width_learns_from_its_teacher(tmp_path: Path) -> None:
    from pare.training.batching import tokenize
    from pare.training.model import load_encoder
    from pare.training.trainer import predict

    ctx = tiny_context(tmp_path)
    teacher = Finetune(epochs=24, rate=1e-2, batch=16, hide=0.0).apply(None, ctx, tmp_path / "teacher")
    ctx = replace(ctx, teacher=teacher)
    student = Student(layers=1, width=32).apply(teacher, ctx, tmp_path / "student")
    made = check_method(Distil(epochs=8, copies=1, rate=1e-2), student, student.manifest.shape, ctx, tmp_path / "made")
    rows = tokenize(made.path / "tokenizer.json", [s.text for s in ctx.train], made.manifest.max_length)
    logits, _ = predict(load_encoder(made.path), rows, threads=1)
    assert (logits.argmax(1) == ctx.targets(ctx.train)).mean() > 0.8


def test_two_adapters_of_one_base_are_two_models(taught: tuple[BuildContext, Artifact], tmp_path: Path) -> None:
    ctx, base = taught[0], taught[0].teacher
    assert base is not None
    backwards = [replace(sample, label=f" {' '.join(reversed(sample.label.split()))}") for sample in ctx.train]
    echoes = [replace(sample, label=f" {sample.text}") for sample in ctx.train]
    method = Lora(rank=4, epochs=12, rate=3e-2, batch=16, keep=True)
    made = []
    for name, samples in (("backwards", backwards), ("echoes", echoes)):
        task = replace(ctx, train=samples, dev=samples[:12])
        built = method.apply(base, task, tmp_path / name)
        assert bits(built, task) < 0.5 * bits(base, task)
        merged = Lora(adapter=str(built.path / "adapter")).apply(base, task, tmp_path / f"{name}-again")
        assert merged.manifest.files["model.safetensors"] == built.manifest.files["model.safetensors"]
        made.append(built)
    assert bits(made[0], replace(ctx, dev=echoes[:12])) > 2 * bits(made[1], replace(ctx, dev=echoes[:12]))
    assert [built.manifest.shape for built in made] == [base.manifest.shape] * 2
    with pytest.raises(InputError, match="adapter must be of"):
        Lora(adapter=str(made[0].path / "adapter")).apply(made[1], ctx, tmp_path / "out")
    with pytest.raises(InputError, match="must be a folder with adapter_config"):
        Lora(adapter=str(tmp_path)).apply(base, ctx, tmp_path / "out")


def test_an_encoders_adapter_is_kept_with_its_head(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    made = Lora(epochs=2, rate=1e-2, keep=True, targets="attention").apply(None, ctx, tmp_path / "made")
    again = Lora(adapter=str(made.path / "adapter")).apply(None, ctx, tmp_path / "again")
    for name in ("model.safetensors", "head.safetensors"):
        assert made.manifest.files[name] == again.manifest.files[name]
    assert not any("README" in name for name in made.manifest.files)


@pytest.mark.parametrize("family", ["qwen3", "gemma2"])
def test_adapters_of_other_families_give_the_same_bytes_twice(family: str, tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path, family)
    config = read_config(ctx.base)
    shape = family_of(config).shape(config, 0)
    made = check_method(Lora(epochs=1, rate=1e-2, keep=True), None, shape, ctx, tmp_path / "made")
    assert any(name.startswith("adapter/") for name in made.manifest.files)
