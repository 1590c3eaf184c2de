"""Loads MLX directories with mlx-lm and compares what it reads with floats that Requant wrote from them.

    pip install "mlx[cpu]" mlx-lm
    requant convert MODEL out/mlx --to mlx:4bit-64g
    requant convert out/mlx out/f32 --to safetensors:f32
    python3 scripts/check-mlx.py out/mlx out/f32 [out/mlx-lm]

The third directory is one that `mlx_lm.convert -q` made of the same MODEL: then all its tensors must be equal, bit for bit.
"""
import json
import sys
from pathlib import Path

import mlx.core as mx
from mlx_lm.utils import load

mx.set_default_device(mx.cpu)


def tensors(folder):
    found = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        found.update(mx.load(str(file)))
    return found


def main(packed, floats, reference=None):
    model, _ = load(packed)
    print("mlx-lm loads it:", model(mx.array([[1, 2, 3]])).shape)
    config = json.loads((Path(packed) / "config.json").read_text())["quantization"]
    stored, expected = tensors(packed), tensors(floats)
    count = 0
    for name in stored:
        if not name.endswith(".scales"):
            continue
        module = name[: -len(".scales")]
        own = {**config, **config.get(module, {})}
        mode = own.get("mode", "affine")
        # in f32, MLX's arithmetic is that of the formula
        single = mx.float32 if mode == "affine" else stored[name].dtype
        biases = stored.get(f"{module}.biases")
        values = mx.dequantize(
            stored[f"{module}.weight"],
            stored[name].astype(single),
            None if biases is None else biases.astype(single),
            group_size=own["group_size"],
            bits=own["bits"],
            mode=mode,
        ).astype(mx.float32)
        if not bool(mx.all(values == expected[f"{module}.weight"])):
            sys.exit(f"{module}: mlx reads other values")
        count += 1
    print(f"{count} packed weights have the same values in mlx and in f32")
    if reference is None:
        return
    made = tensors(reference)
    differing = [
        name
        for name in made
        if name not in stored
        or made[name].dtype != stored[name].dtype
        or not bool(mx.all(made[name].view(mx.uint8) == stored[name].view(mx.uint8)))
    ]
    if differing or len(made) != len(stored):
        sys.exit(f"{len(differing)} tensors differ from mlx_lm.convert, the first is {differing[:1]}")
    print(f"{len(made)} tensors are those of mlx_lm.convert, bit for bit")


main(*sys.argv[1:])
