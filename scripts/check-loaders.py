"""Loads what Requant writes with the libraries that define the formats, and compares all values.

Run by a developer, not by `pnpm test`; a CPU is enough:

    python3 -m venv /path/to/venv
    /path/to/venv/bin/pip install numpy torch safetensors transformers accelerate
    /path/to/venv/bin/pip install compressed-tensors bitsandbytes "mlx[cpu]" mlx-lm nvidia-modelopt   # or some of them
    /path/to/venv/bin/python scripts/check-loaders.py [target or start of a target ...]

Each row of ROWS is a target of `requant convert` with functions that load it and, where the library quantizes as Requant
does, a function that quantizes the same source. A row converts the bundled model with the command line of this repository;
then

- each loader's values must be those that `--to safetensors:f32` gives of the same output (zeros may differ in sign). A loader
  that computes in a narrower float type rounds each value once: there Requant's f32 value is rounded to that type first;
- each tensor that the library's quantizer makes must be the stored one: type, shape and bytes.

The last line has the sums. The exit status is 1 where anything differs, fails or is missing, or where no row could run.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

import numpy as np
import torch
from safetensors.torch import load_file

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(ROOT, "node_modules", ".bin", "node")
CLI = [NODE, "--conditions=@requant/source", os.path.join(ROOT, "packages", "cli", "src", "bin.ts")]
SOURCE = os.path.join(ROOT, "fixtures", "kjv", "hf")


def requant(*words):
    run = subprocess.run([*CLI, *words], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"requant {' '.join(words)}: exit {run.returncode}: {run.stdout}{run.stderr}")


def tensors_of(folder):
    """All tensors of a directory."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            found.update(load_file(os.path.join(folder, name)))
    return found


def config_of(folder, key="quantization_config"):
    with open(os.path.join(folder, "config.json"), encoding="utf8") as file:
        return json.load(file)[key]


def modules_with(tensors, suffix):
    """The modules that have a part with this suffix."""
    return sorted(name.removesuffix(suffix) for name in tensors if name.endswith(suffix))


def parts_of(tensors, module):
    return {name[len(module) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{module}.")}


def unpacked(stored, modules, weight_of):
    """The tensors of a model: of each module the weight that `weight_of` makes of its parts; all others as they are."""
    weights = {name: value for name, value in stored.items() if not name.startswith(tuple(f"{own}." for own in modules))}
    weights.update({f"{module}.weight": weight_of(parts_of(stored, module)) for module in modules})
    return weights


# --- transformers -------------------------------------------------------------------------------------------------------


def transformers_model(folder, quantization_config=None):
    from transformers import AutoModelForCausalLM, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    more = {} if quantization_config is None else {"quantization_config": quantization_config}
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **more)


def state_of(model):
    return {name: value.detach() for name, value in model.state_dict().items()}


def transformers_compressed(folder):
    from transformers import CompressedTensorsConfig

    return state_of(transformers_model(folder, CompressedTensorsConfig(dequantize=True)))


def transformers_fp8(folder):
    from transformers import FineGrainedFP8Config

    # the list is an attribute of loading, too: without it, that of the directory would be replaced by nothing
    left = config_of(folder).get("modules_to_not_convert")
    return state_of(transformers_model(folder, FineGrainedFP8Config(dequantize=True, modules_to_not_convert=left)))


def transformers_bitsandbytes(folder):
    return state_of(transformers_model(folder).dequantize())


def quantize_fp8(folder):
    from types import SimpleNamespace

    from transformers import FineGrainedFP8Config
    from transformers.integrations.finegrained_fp8 import Fp8Quantize

    quantize = Fp8Quantize(SimpleNamespace(quantization_config=FineGrainedFP8Config.from_dict(config_of(folder))))
    source, made = tensors_of(SOURCE), {}
    for module in modules_with(tensors_of(folder), ".weight_scale_inv"):
        made.update(quantize.convert({f"{module}.weight": source[f"{module}.weight"]}))
    return made


# --- compressed-tensors -------------------------------------------------------------------------------------------------


def compressor_of(folder):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig

    (scheme,) = QuantizationConfig.model_validate(dict(config_of(folder))).config_groups.values()
    return BaseCompressor.get_value_from_registry(scheme.format), scheme


def load_compressed(folder):
    compressor, scheme = compressor_of(folder)
    stored = tensors_of(folder)
    modules = modules_with(stored, ".weight_scale")
    return unpacked(stored, modules, lambda parts: compressor.decompress(parts, scheme)["weight"])


def quantize_compressed(folder):
    from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam

    compressor, scheme = compressor_of(folder)
    args = scheme.weights
    source, made = tensors_of(SOURCE), {}
    for module in modules_with(tensors_of(folder), ".weight_scale"):
        weight = source[f"{module}.weight"]
        state = {"weight": weight}
        rows, columns = weight.shape
        if args.strategy == "block":
            height, width = args.block_structure
            padded = torch.nn.functional.pad(weight, (0, -columns % width, 0, -rows % height))
            blocks = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
            low, high = blocks.amin(dim=(1, 3)), blocks.amax(dim=(1, 3))
        else:
            groups = weight.reshape(rows, -1, args.group_size or columns)
            low, high = groups.amin(dim=-1), groups.amax(dim=-1)
        if args.strategy == "tensor_group":
            state["weight_global_scale"] = generate_gparam(weight.amin(), weight.amax())
        scale, zero = calculate_qparams(low, high, args, global_scale=state.get("weight_global_scale"))
        state["weight_scale"] = scale
        if not args.symmetric:
            state["weight_zero_point"] = zero
        made.update({f"{module}.{name}": value for name, value in compressor.compress(state, scheme).items()})
    return made


# --- bitsandbytes -------------------------------------------------------------------------------------------------------


def load_bitsandbytes(folder):
    from bitsandbytes.functional import QuantState, dequantize_4bit

    def weight_of(parts):
        packed = parts.pop("weight")
        return dequantize_4bit(packed, QuantState.from_dict(parts, device=torch.device("cpu")))

    stored = tensors_of(folder)
    return unpacked(stored, modules_with(stored, ".weight.absmax"), weight_of)


def quantize_bitsandbytes(folder):
    from bitsandbytes.functional import quantize_4bit

    stored, source, made = tensors_of(folder), tensors_of(SOURCE), {}
    for module in modules_with(stored, ".weight.absmax"):
        weight = source[f"{module}.weight"]
        block = weight.numel() // stored[f"{module}.weight.absmax"].numel()
        double = f"{module}.weight.nested_absmax" in stored
        packed, state = quantize_4bit(weight, blocksize=block, compress_statistics=double, quant_type="nf4")
        made[f"{module}.weight"] = packed
        made.update({f"{module}.weight.{name}": value for name, value in state.as_dict(packed=True).items()})
    return made


# --- mlx ----------------------------------------------------------------------------------------------------------------


def load_mlx(folder):
    """The parameters of the model that mlx-lm loads; in f32 MLX's arithmetic is that of the formula."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import load

    mx.set_default_device(mx.cpu)
    model, _ = load(folder)
    weights = dict(tree_flatten(model.parameters()))
    for module, own in model.named_modules():
        if "scales" not in own:
            continue
        parts = [weights.pop(f"{module}.{name}", None) for name in ("weight", "scales", "biases")]
        if own.mode == "affine":
            parts[1:] = [part.astype(mx.float32) for part in parts[1:]]
        settings = {"group_size": own.group_size, "bits": own.bits, "mode": own.mode}
        weights[f"{module}.weight"] = mx.dequantize(*parts, **settings)
    return {name: torch.from_numpy(np.array(value.astype(mx.float32))) for name, value in weights.items()}


def quantize_mlx(folder):
    import mlx.core as mx
    from mlx_lm import convert

    mx.set_default_device(mx.cpu)
    settings = config_of(folder, "quantization")
    mode = settings.get("mode", "affine")
    with tempfile.TemporaryDirectory() as work:
        made = os.path.join(work, "mlx")
        convert(SOURCE, made, quantize=True, q_group_size=settings["group_size"], q_bits=settings["bits"], q_mode=mode)
        return tensors_of(made)


# --- ModelOpt -----------------------------------------------------------------------------------------------------------


def load_modelopt(folder):
    from modelopt.torch.quantization.qtensor import NVFP4QTensor

    def weight_of(parts):
        rows, pairs = parts["weight"].shape
        packed = NVFP4QTensor(torch.Size([rows, 2 * pairs]), torch.float32, parts["weight"])
        return packed.dequantize(
            scale=parts["weight_scale"], double_scale=parts["weight_scale_2"], block_sizes={-1: 16}
        )

    stored = tensors_of(folder)
    return unpacked(stored, modules_with(stored, ".weight_scale_2"), weight_of)


# modules that runtimes join share the scale of the whole weight (ModelOpt, export/quant_utils.py)
JOINED = [("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")]


def quantize_modelopt(folder):
    from modelopt.torch.quantization.qtensor import NVFP4QTensor

    source, made = tensors_of(SOURCE), {}
    for module in modules_with(tensors_of(folder), ".weight_scale_2"):
        block, _, own = module.rpartition(".")
        joined = next((names for names in JOINED if own in names), (own,))
        scale = max(NVFP4QTensor.get_weights_scaling_factor_2(source[f"{block}.{name}.weight"]) for name in joined)
        packed, scales, _ = NVFP4QTensor.quantize(source[f"{module}.weight"], 16, weights_scaling_factor_2=scale)
        made[f"{module}.weight"] = packed._quantized_data
        made[f"{module}.weight_scale"] = scales
        made[f"{module}.weight_scale_2"] = scale
    return made


# --- rows ---------------------------------------------------------------------------------------------------------------

# which packages each function needs
NEEDS = {
    transformers_compressed: ["transformers", "compressed_tensors"],
    transformers_fp8: ["transformers", "accelerate"],
    transformers_bitsandbytes: ["transformers", "bitsandbytes"],
    quantize_fp8: ["transformers"],
    load_compressed: ["compressed_tensors"],
    quantize_compressed: ["compressed_tensors"],
    load_bitsandbytes: ["bitsandbytes"],
    quantize_bitsandbytes: ["bitsandbytes"],
    load_mlx: ["mlx", "mlx_lm"],
    quantize_mlx: ["mlx", "mlx_lm"],
    load_modelopt: ["modelopt"],
    quantize_modelopt: ["modelopt"],
}

# target, loaders, quantizer; packed integers of compressed-tensors are rounded by another rule (GPTQ's) than the library's
COMPRESSED = [load_compressed, transformers_compressed]
BITSANDBYTES = [load_bitsandbytes, transformers_bitsandbytes]
ROWS = [
    *((f"compressed-tensors:{bits}bit-{group}", COMPRESSED, None) for bits, group in [
        (2, "32g-sym"), (2, "64g-asym"), (3, "64g-sym"), (3, "32g-asym"), (4, "128g-sym"), (4, "32g-sym"), (4, "colg-sym"),
        (4, "128g-asym"), (4, "32g-asym"), (5, "64g-sym"), (5, "64g-asym"), (6, "128g-sym"), (6, "128g-asym"),
        (7, "32g-sym"), (7, "32g-asym"), (8, "128g-sym"), (8, "colg-sym"), (8, "64g-asym"),
    ]),
    *((f"compressed-tensors:{scheme}", COMPRESSED, quantize_compressed) for scheme in [
        "w8a8", "fp8-channel", "fp8-block", "nvfp4", "mxfp4",
    ]),
    *((f"bnb:{words}", BITSANDBYTES, quantize_bitsandbytes) for words in ["nf4-64", "nf4-128"]),
    # nested scales begin with a mean, which PyTorch sums in another order on each machine: the values alone are compared
    *((f"bnb:{words}", BITSANDBYTES, None) for words in ["nf4-64-double", "nf4-128-double"]),
    *((f"mlx:{words}", [load_mlx], quantize_mlx) for words in [
        *(f"{bits}bit-{group}g" for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)), "mxfp4", "mxfp8", "nvfp4",
    ]),
    *((f"fp8:{words}", [transformers_fp8], quantize_fp8) for words in ["block-128", "block-32", "block-128-ue8m0"]),
    ("nvfp4:modelopt", [load_modelopt], quantize_modelopt),
]  # fmt: skip


def bits_of(value):
    return value.contiguous().reshape(-1).view(torch.uint8)


def compare_values(expected, found):
    """Numbers of compared and of differing values, and names that only one side has."""
    count = Counter()
    for name in expected.keys() & found.keys():
        theirs = found[name]
        own = expected[name].to(torch.float32).to(theirs.dtype).to(torch.float32)
        count["values"] += own.numel()
        if own.shape != theirs.shape:
            count["differ"] += own.numel()
            continue
        theirs = theirs.to(torch.float32)
        # ModelOpt's table has no negative zero
        equal = (own == theirs) | (own.isnan() & theirs.isnan())
        count["differ"] += int((~equal).sum())
    return count, sorted(expected.keys() ^ found.keys())


def compare_bytes(stored, made):
    """Numbers of compared and of differing tensors, and the names of those."""
    wrong = [
        name
        for name, value in made.items()
        if name not in stored
        or stored[name].dtype != value.dtype
        or stored[name].shape != value.shape
        or not torch.equal(bits_of(stored[name]), bits_of(value))
    ]
    return Counter(values=len(made), differ=len(wrong)), wrong


def missing_packages(function):
    return [name for name in NEEDS[function] if importlib.util.find_spec(name) is None]


def check(target, loaders, quantizer, work):
    """The sums of one row; prints a line for each function."""
    sums = Counter()

    def report(function, compare, kind):
        missing = missing_packages(function)
        if missing:
            sums["skipped"] += 1
            return print(f"{target:32} {function.__name__}: skipped, {', '.join(missing)} not installed", flush=True)
        try:
            count, others = compare(function(packed))
        except Exception as error:  # what a library refuses is a result
            sums["failed"] += 1
            return print(f"{target:32} {function.__name__}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        bad = count["differ"] > 0 or count["values"] == 0 or len(others) > 0
        sums["failed"] += bad
        sums["checks"] += 1
        sums[kind] += count["values"]
        sums[f"differing {kind}"] += count["differ"]
        note = f"; look at {others[:3]}" if others else ""
        print(f"{target:32} {function.__name__}: {count['differ']} of {count['values']} {kind} differ{note}", flush=True)

    functions = [*loaders, *([] if quantizer is None else [quantizer])]
    packed, plain = os.path.join(work, "packed"), os.path.join(work, "f32")
    if not all(missing_packages(function) for function in functions):
        for folder in (packed, plain):
            shutil.rmtree(folder, ignore_errors=True)
        requant("convert", SOURCE, packed, "--to", target, "--quiet")
        requant("convert", packed, plain, "--to", "safetensors:f32", "--quiet")
        expected, stored = tensors_of(plain), tensors_of(packed)
        if all(name in stored and stored[name].shape == value.shape and stored[name].dtype.itemsize > 1
               for name, value in expected.items()):  # fmt: skip
            raise RuntimeError(f"{target}: no tensor was packed")
    else:
        expected = stored = {}
    for load in loaders:
        report(load, lambda found: compare_values(expected, found), "values")
    if quantizer is not None:
        report(quantizer, lambda made: compare_bytes(stored, made), "tensors")
    return sums


def main():
    asked = sys.argv[1:]
    rows = [row for row in ROWS if not asked or any(row[0].startswith(start) for start in asked)]
    if not rows:
        sys.exit(f"No such target: {', '.join(asked)}. There are {', '.join(name for name, _, _ in ROWS)}.")
    sums = Counter()
    with tempfile.TemporaryDirectory() as work:
        for target, loaders, quantizer in rows:
            try:
                sums.update(check(target, loaders, quantizer, work))
            except RuntimeError as error:
                sums["failed"] += 1
                print(f"{target:32} {error}", flush=True)
    print(
        f"{len(rows)} rows: {sums['checks']} checks, {sums['failed']} failed, {sums['skipped']} skipped; "
        f"{sums['differing values']} of {sums['values']} values and "
        f"{sums['differing tensors']} of {sums['tensors']} quantized tensors differ"
    )
    sys.exit(1 if sums["failed"] > 0 or sums["checks"] == 0 else 0)


main()
