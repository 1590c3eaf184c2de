"""Loads what Requant writes with the libraries that define the formats, and compares all values.

Run by a developer, not by `pnpm test`:

    python3 -m venv /path/to/venv
    /path/to/venv/bin/pip install compressed-tensors transformers safetensors numpy   # and bitsandbytes, mlx
    /path/to/venv/bin/python scripts/check-loaders.py [target ...]

Each row of TARGETS converts a model with the command line of this repository, reads the result with the library, and
compares every weight with what `--to safetensors:f32` gives of the same output. A library that computes in a narrower float
type rounds each value once: there Requant's f32 value is rounded in the same way first. For some targets the library also
quantizes the source itself, and the stored codes and scales must be the same bytes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(ROOT, "node_modules", ".bin", "node")
CLI = [NODE, "--conditions=@requant/source", os.path.join(ROOT, "packages", "cli", "src", "bin.ts")]
SOURCE = os.path.join(ROOT, "fixtures", "kjv", "hf")


class NoTarget(Exception):
    """The repository has no package for a format yet."""


def requant(*words):
    run = subprocess.run([*CLI, *words], capture_output=True, text=True)
    if "There is no target format" in run.stderr:
        raise NoTarget
    if run.returncode != 0:
        sys.exit(f"requant {' '.join(words)}: exit {run.returncode}\n{run.stdout}{run.stderr}")


def tensors_of(folder):
    """All tensors of a directory as torch tensors."""
    from safetensors.torch import load_file

    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            found.update(load_file(os.path.join(folder, name)))
    return found


def config_of(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf8") as file:
        return json.load(file)


# --- compressed-tensors -------------------------------------------------------------------------------------------------


def compressed_modules(tensors):
    suffixes = (".weight_packed", ".weight_scale")
    return sorted({name.rsplit(".", 1)[0] for name in tensors if name.endswith(suffixes)})


def load_compressed(folder):
    """Weights as the library's own decompressor gives them, and the number of packed modules."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig

    stored = tensors_of(folder)
    settings = dict(config_of(folder)["quantization_config"])
    config = QuantizationConfig.model_validate(settings)
    (scheme,) = config.config_groups.values()
    compressor = BaseCompressor.get_value_from_registry(scheme.format)
    weights = {}
    modules = compressed_modules(stored)
    for module in modules:
        own = {name[len(module) + 1 :]: value for name, value in stored.items() if name.startswith(f"{module}.")}
        weights[f"{module}.weight"] = compressor.decompress(own, scheme)["weight"]
    packed = tuple(f"{module}." for module in modules)
    weights.update({name: value for name, value in stored.items() if not name.startswith(packed)})
    return weights, len(modules)


def quantize_compressed(folder):
    """The same modules of the source, quantized and packed by the library: tensors by name."""
    import torch
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig
    from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam

    config = QuantizationConfig.model_validate(dict(config_of(folder)["quantization_config"]))
    (scheme,) = config.config_groups.values()
    args = scheme.weights
    compressor = BaseCompressor.get_value_from_registry(scheme.format)
    source = tensors_of(SOURCE)
    made = {}
    for module in compressed_modules(tensors_of(folder)):
        weight = source[f"{module}.weight"]
        state = {"weight": weight}
        rows, columns = weight.shape
        strategy = args.strategy.value if hasattr(args.strategy, "value") else args.strategy
        if strategy == "block":
            height, width = args.block_structure
            padded = torch.nn.functional.pad(weight, (0, -columns % width, 0, -rows % height))
            blocks = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
            low, high = blocks.amin(dim=(1, 3)), blocks.amax(dim=(1, 3))
        else:
            groups = weight.reshape(rows, -1, args.group_size or columns)
            low, high = groups.amin(dim=-1), groups.amax(dim=-1)
        if strategy == "tensor_group":
            state["weight_global_scale"] = generate_gparam(weight.amin(), weight.amax())
        scale, zero = calculate_qparams(low, high, args, global_scale=state.get("weight_global_scale"))
        state["weight_scale"] = scale
        if not args.symmetric:
            state["weight_zero_point"] = zero
        made.update({f"{module}.{name}": value for name, value in compressor.compress(state, scheme).items()})
    return made


def load_transformers(folder):
    """The state of the model that transformers loads and decompresses."""
    from transformers import AutoModelForCausalLM, logging
    from transformers.utils.quantization_config import CompressedTensorsConfig

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=CompressedTensorsConfig(dequantize=True), dtype="auto"
    )
    return {name: value.detach() for name, value in model.state_dict().items()}, None


# --- bitsandbytes, mlx --------------------------------------------------------------------------------------------------


def load_bitsandbytes(folder):
    import torch
    from bitsandbytes.functional import QuantState, dequantize_4bit

    stored = tensors_of(folder)
    modules = sorted({name.split(".weight.")[0] for name in stored if ".weight.quant_state." in name})
    weights = {}
    for module in modules:
        prefix = f"{module}.weight."
        parts = {name[len(f"{module}.") :]: value for name, value in stored.items() if name.startswith(prefix)}
        state = QuantState.from_dict(parts, device=torch.device("cpu"))
        weights[f"{module}.weight"] = dequantize_4bit(stored[f"{module}.weight"], state)
    for name, value in stored.items():
        if not name.startswith(tuple(f"{module}.weight." for module in modules)):
            weights.setdefault(name, value)
    return weights, len(modules)


def load_mlx(folder):
    import mlx.core as mx
    import torch

    stored = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            stored.update(mx.load(os.path.join(folder, name)))
    settings = config_of(folder)["quantization"]
    modules = sorted({name.rsplit(".", 1)[0] for name in stored if name.endswith(".scales")})
    weights = {}
    for module in modules:
        own = {**settings, **(settings.get(module) or {})}
        scales, biases = stored[f"{module}.scales"], stored.get(f"{module}.biases")
        if biases is not None:
            # in bf16 the library rounds the product and the sum; in f32 the product is exact
            scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
        value = mx.dequantize(
            stored[f"{module}.weight"],
            scales,
            biases,
            group_size=own["group_size"],
            bits=own["bits"],
            mode=own.get("mode", "affine"),
        )
        weights[f"{module}.weight"] = torch.from_numpy(np.array(value.astype(mx.float32)))
    for name, value in stored.items():
        if name.rsplit(".", 1)[0] not in modules:
            weights[name] = torch.from_numpy(np.array(value.astype(mx.float32)))
    return weights, len(modules)


# --- rows ---------------------------------------------------------------------------------------------------------------

LIBRARIES = {
    "compressed-tensors": ("compressed_tensors", [load_compressed, load_transformers], quantize_compressed),
    "bnb": ("bitsandbytes", [load_bitsandbytes], None),
    "mlx": ("mlx.core", [load_mlx], None),
}

# "same bytes": the library's own quantizer is also asked, with the source's weights; packed integers are rounded by
# another rule (GPTQ's), so that only their values are compared.
TARGETS = [
    ("compressed-tensors:4bit-128g-sym", "values"),
    ("compressed-tensors:4bit-32g-asym", "values"),
    ("compressed-tensors:3bit-64g-sym", "values"),
    ("compressed-tensors:8bit-colg-sym", "values"),
    ("compressed-tensors:w8a8", "same bytes"),
    ("compressed-tensors:fp8-channel", "same bytes"),
    ("compressed-tensors:fp8-block", "same bytes"),
    ("compressed-tensors:nvfp4", "same bytes"),
    ("compressed-tensors:mxfp4", "same bytes"),
    ("bnb:nf4-64", "values"),
    ("mlx:4bit-64g", "values"),
]


def differing(expected, found):
    """Values that differ, of all; Requant's f32 values are rounded to the type in which the library computes."""
    import torch

    count = total = 0
    names = [name for name in found if name in expected]
    for name in names:
        own = expected[name].to(torch.float32).to(found[name].dtype).to(torch.float32)
        theirs = found[name].to(torch.float32)
        if own.shape != theirs.shape:
            return f"{name} is {list(theirs.shape)}, not {list(own.shape)}"
        equal = (own == theirs) | (own.isnan() & theirs.isnan())
        count += int((~equal).sum())
        total += own.numel()
    missing = [name for name in expected if name not in found and name != "lm_head.weight"]
    return f"{count} of {total} values in {len(names)} tensors differ" + (f"; missing: {missing}" if missing else "")


def same_bytes(stored, made):
    import torch

    wrong = [
        name
        for name, value in made.items()
        if name not in stored
        or stored[name].dtype != value.dtype
        or not torch.equal(stored[name].contiguous().view(torch.uint8), value.contiguous().view(torch.uint8))
    ]
    return f"{len(made) - len(wrong)} of {len(made)} parts are the library's bytes" + (f"; others: {wrong[:3]}" if wrong else "")


def check(target, how, work):
    library, loaders, quantize = LIBRARIES[target.split(":")[0]]
    try:
        __import__(library)
    except ImportError:
        return [f"skipped: {library} is not installed"]
    folder, plain = os.path.join(work, "packed"), os.path.join(work, "f32")
    for made in (folder, plain):
        shutil.rmtree(made, ignore_errors=True)
    try:
        requant("convert", SOURCE, folder, "--to", target, "--quiet")
    except NoTarget:
        return ["skipped: Requant has no such target"]
    requant("convert", folder, plain, "--to", "safetensors:f32", "--quiet")
    expected = tensors_of(plain)
    lines = []
    for load in loaders:
        try:
            found, packed = load(folder)
        except Exception as error:  # what a library refuses is a result
            lines.append(f"{load.__name__}: {type(error).__name__}: {str(error)[:200]}")
            continue
        note = "" if packed is None else f" ({packed} packed)"
        lines.append(f"{load.__name__}: {differing(expected, found)}{note}")
    if how == "same bytes":
        lines.append(f"{quantize.__name__}: {same_bytes(tensors_of(folder), quantize(folder))}")
    return lines


def main():
    asked = sys.argv[1:]
    rows = [row for row in TARGETS if not asked or row[0] in asked]
    if not rows:
        sys.exit(f"no such target: {', '.join(asked)}; there are {', '.join(name for name, _ in TARGETS)}")
    with tempfile.TemporaryDirectory() as work:
        for target, how in rows:
            for line in check(target, how, work):
                print(f"{target:36} {line}", flush=True)


main()
