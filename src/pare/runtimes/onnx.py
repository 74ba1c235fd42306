"""ONNX Runtime: the second runtime for encoders, on the processor, in the precision of the graph."""

from __future__ import annotations

from pare.errors import InputError, MissingExtra
from pare.runtimes.base import Engine
from pare.runtimes.tagging import scorer
from pare.runtimes.text import Ids, Logits, TextEngine, Tokens
from pare.types import Artifact, Device, Support

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"


class Onnx:
    """The runtime of the format ``onnx``."""

    name = "onnx"

    def supports(self, artifact: Artifact, device: Device) -> Support:
        form = artifact.manifest.format
        return Support(True) if form == "onnx" else Support(False, f"it serves the format onnx, not {form}")

    def load(self, artifact: Artifact, device: Device, threads: int) -> Engine:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtra("onnxruntime", "onnx", "serving an ONNX model") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        file = artifact.path / MODEL
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise InputError(
                f"{file} cannot be loaded ({str(error).splitlines()[0]}); build the artifact again"
            ) from None

        def infer(ids: Ids, mask: Ids) -> Logits:
            result: Logits = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
            return result

        manifest = artifact.manifest
        tokens = Tokens(artifact.path / TOKENIZER, manifest.max_length)
        facts = {"runtime": f"onnxruntime {onnxruntime.__version__}", "precision": "f32", "threads": str(threads)}
        return TextEngine(artifact, scorer(manifest.kind, manifest.labels, tokens, infer), facts)
