"""Graphs as files with nothing in them of the process that wrote them: the same graph gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODEL = {"openvino": "model.xml", "onnx": "model.onnx"}


def write_openvino(model: Any, folder: Path) -> None:
    """Writes ``model.xml`` and ``model.bin``, weights in the precision they have.

    Operations are numbered in the graph's order: OpenVINO's own names count all nodes that a process has ever made.
    """
    import openvino

    model.set_friendly_name("pare")
    for number, operation in enumerate(model.get_ordered_ops()):
        if operation.get_type_name() == "Parameter":
            continue
        operation.set_friendly_name(str(number))
        for output in operation.outputs() if operation.get_type_name() != "Result" else ():
            inner = all(reader.get_node().get_type_name() != "Result" for reader in output.get_target_inputs())
            if inner:
                output.get_tensor().set_names(set())
    openvino.save_model(model, str(folder / MODEL["openvino"]), compress_to_fp16=False)


def grid_conversion() -> Any:
    """How OpenVINO reads ``pare::on_grid``: as a FakeQuantize. Of weights its conversion makes integers with their steps."""
    from openvino import opset13
    from openvino.frontend.pytorch import ConversionExtension

    def convert(node: Any) -> Any:
        step, zero = (node.get_input(i).get_node().get_data() for i in (1, 2))
        low, high = (node.get_values_from_const_input(i) for i in (3, 4))
        ends = [opset13.constant(((end - zero) * step).astype("float32")) for end in (low, high)]
        return opset13.fake_quantize(node.get_input(0), *ends, *ends, levels=high - low + 1).outputs()

    return ConversionExtension("pare.on_grid.default", convert)


def write_onnx(program: Any, folder: Path) -> None:
    """Writes ``model.onnx``, weights inside, without the exporter's notes (stack traces with this machine's paths)."""
    graph = program.model.graph
    for node in graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*graph.inputs, *graph.initializers.values()]:
        value.metadata_props.clear()
    graph.metadata_props.clear()
    program.model.metadata_props.clear()
    program.save(str(folder / MODEL["onnx"]), external_data=False)
