from pathlib import Path

import pytest

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.methods.finetune import Finetune
from pare.testing.contexts import tiny_context
from pare.types import DataFacts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=3, rows=60, tokens_per_row=10)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    made = [
        Finetune(epochs=1).apply(None, tiny_context(tmp_path, seed=seed), tmp_path / f"out{i}")
        for i, seed in enumerate([1, 1, 2])
    ]
    assert made[0].id == made[1].id
    assert made[0].manifest.files["model.safetensors"] != made[2].manifest.files["model.safetensors"]


def test_progress_can_cancel(tmp_path: Path) -> None:
    def stop(share: float, word: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Finetune().apply(None, tiny_context(tmp_path, progress=stop), tmp_path / "out")


def test_reshape_keeps_the_anatomy(tmp_path: Path) -> None:
    config = read_config(tiny_context(tmp_path).base)
    shape = family_of(config).shape(config, 3)
    assert Finetune().reshape(shape, FACTS) == shape


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("rate", 0), ("rate", 1), ("smoothing", 1), ("hide", 1), ("batch", 0), ("max_length", 2)],
)
def test_a_value_out_of_range_is_named_with_its_rule(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be"):
        Finetune(**{field: value})


def test_a_base_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    (ctx.base / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        Finetune().apply(None, ctx, tmp_path / "out")
