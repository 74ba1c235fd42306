"""The README that goes with an exported model: what it is, and how to use it in a few lines."""

from __future__ import annotations

from pare.planner import estimate
from pare.types import Artifact
from pare.units import megabytes

HF_TEXTS = """\
The backbone is a plain Hugging Face model, which sentence-transformers reads too; the linear head is in `head.safetensors`,
and the labels are in `labels.json`, in its order.

```python
import json
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

head, labels = load_file("{path}/head.safetensors"), json.load(open("{path}/labels.json"))
logits = SentenceTransformer("{path}").encode(["a text"], convert_to_tensor=True).cpu() @ head["weight"].T + head["bias"]
print({said})
```
"""
SAID = {
    "classify": "labels[int(logits[0].argmax())]",
    "multilabel": "[label for label, logit in zip(labels, logits[0]) if logit > 0]",
}
HF_TAGS = """\
The backbone is a plain Hugging Face model; the linear head reads every token and is in `head.safetensors`, the tags are in
`labels.json`, in its order. A word has the tag of its first token.

```python
import json
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

head, labels = load_file("{path}/head.safetensors"), json.load(open("{path}/labels.json"))
tokens = AutoTokenizer.from_pretrained("{path}")
states = AutoModel.from_pretrained("{path}").eval()(**tokens("a text", return_tensors="pt")).last_hidden_state
print([labels[i] for i in (states @ head["weight"].T + head["bias"])[0].argmax(dim=-1).tolist()])
```
"""
HF_DECODER = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokens, model = AutoTokenizer.from_pretrained("{path}"), AutoModelForCausalLM.from_pretrained("{path}")
ids = tokens("a prompt", return_tensors="pt").input_ids
print(tokens.decode(model.generate(ids, max_new_tokens=40)[0]))
```
"""
ONNX = """\
Token ids and their mask in, logits out, in the order of the labels in `manifest.json`; pooling and head are inside.

```python
import numpy, onnxruntime, tokenizers

ids = tokenizers.Tokenizer.from_file("{path}/tokenizer.json").encode("a text").ids
feed = {{"input_ids": numpy.array([ids]), "attention_mask": numpy.ones((1, len(ids)), numpy.int64)}}
print(onnxruntime.InferenceSession("{path}/model.onnx").run(None, feed)[0])
```
"""
GGUF = """\
    llama-cli -m {path}/model.gguf -p "a prompt"
"""


def card(name: str, to: str, source: Artifact, path: str) -> str:
    """The README of a model exported to ``to`` in the folder ``path``."""
    manifest = source.manifest
    what = {"generate": "continues texts"}.get(manifest.kind, f"kind {manifest.kind}, {len(manifest.labels)} labels")
    shape = manifest.shape
    steps = (
        f"{shape.family}, {shape.layers} layers of width {shape.width}, {estimate.parameters(shape):,} parameters, "
        f"{megabytes(estimate.weight_bytes(shape))} of weights; at most {manifest.max_length} tokens"
    )
    use = _use(to, source).format(path=path, said=SAID.get(manifest.kind, ""))
    return f"# {name}\n\nBuilt with pare (artifact {source.id}): {what}.\n{steps}.\n\n{use}"


def _use(to: str, source: Artifact) -> str:
    if to == "onnx":
        return ONNX
    if to == "gguf":
        return GGUF
    return {"generate": HF_DECODER, "tag": HF_TAGS}.get(source.manifest.kind, HF_TEXTS)
