from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pare.errors import InputError
from pare.families import ENCODERS
from pare.methods.base import BuildContext
from pare.methods.finetune import Finetune
from pare.methods.trim_vocab import TrimVocab
from pare.testing.contexts import tiny_context, tiny_samples
from pare.types import Artifact, DataFacts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=3, rows=60, tokens_per_row=10)


@pytest.mark.parametrize("family", ENCODERS)
def test_texts_of_kept_tokens_get_the_same_logits_from_a_smaller_model(family: str, tmp_path: Path) -> None:
    from pare.training.batching import tokenize
    from pare.training.model import load_encoder
    from pare.training.trainer import predict

    parent = Finetune(epochs=1, max_length=40).apply(None, tiny_context(tmp_path, family), tmp_path / "teacher")
    ctx = tiny_context(tmp_path, family, teacher=parent)
    method = TrimVocab(tokens=parent.manifest.shape.vocabulary - 5, min_uses=1)
    made = method.apply(None, ctx, tmp_path / "out")

    model = load_encoder(made.path)
    counted = sum(part.elements for part in made.manifest.shape.parts)
    assert counted == sum(p.numel() for p in model.parameters())
    assert counted < sum(part.elements for part in parent.manifest.shape.parts)
    assert counted <= sum(part.elements for part in method.reshape(parent.manifest.shape, FACTS).parts)
    rows = [tokenize(a.path / "tokenizer.json", [s.text for s in ctx.train], 40) for a in (parent, made)]
    same = rows[0].lengths == rows[1].lengths
    logits = [predict(load_encoder(a.path), r, threads=1)[0][same] for a, r in zip((parent, made), rows, strict=True)]
    assert same.mean() > 0.8
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-2)


@pytest.mark.parametrize("field", ["tokens", "min_uses"])
def test_a_value_out_of_range_is_named_with_its_rule(field: str) -> None:
    with pytest.raises(InputError, match=f"{field} must be at least 1 but is 0"):
        TrimVocab(**{field: 0})


def test_words_of_texts_without_a_label_are_kept_and_synthetic_rows_are_counted(tmp_path: Path) -> None:
    teacher = Finetune(epochs=1).apply(None, tiny_context(tmp_path), tmp_path / "teacher")
    rows = tiny_samples()
    few = [rows[0], replace(rows[1], origin="synthetic")]
    ctx = replace(tiny_context(tmp_path, teacher=teacher), train=few)
    words = ("handset", "transfer", "mobile")
    texts = [f"{word} {word}" for word in words]

    def kept(ctx: BuildContext, out: str) -> Artifact:
        return TrimVocab(tokens=100).apply(None, ctx, tmp_path / out)

    def known(artifact: Artifact) -> int:
        vocabulary = (artifact.path / "tokenizer.json").read_text()
        return sum(f'"{word}":' in vocabulary for word in words)

    plain, named = kept(ctx, "plain"), kept(replace(ctx, unlabelled=texts), "named")
    assert known(plain) < known(named) == len(words)
    assert named.manifest.lineage["rows"] == {"real": 1, "synthetic": 1, "unlabelled": 3}
    child = kept(replace(ctx, unlabelled=(), teacher=named), "child")
    assert child.manifest.lineage["rows"] == {"real": 1, "synthetic": 1, "unlabelled": 3}
