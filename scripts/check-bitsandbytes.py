"""Loads NF4 weights that Requant wrote with bitsandbytes, and compares them with Requant's own values.

Needs Python with torch, bitsandbytes and safetensors; no GPU.

    requant convert MODEL nf4 --to bnb:nf4-64-double
    requant convert nf4 floats --to safetensors:f32
    python scripts/check-bitsandbytes.py nf4 floats
"""

import sys
from pathlib import Path

import torch
from bitsandbytes.functional import QuantState, dequantize_4bit
from safetensors.torch import load_file


def tensors_of(folder):
    found = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        found.update(load_file(path))
    return found


def main(packed_folder, float_folder):
    packed, floats = tensors_of(packed_folder), tensors_of(float_folder)
    suffix = ".absmax"
    weights = [name.removesuffix(suffix) for name in packed if name.endswith(".weight" + suffix)]
    different = 0
    for name in weights:
        parts = {
            key.removeprefix(name + "."): value for key, value in packed.items() if key.startswith(name + ".")
        }
        state = QuantState.from_dict(parts, device=torch.device("cpu"))
        values = dequantize_4bit(packed[name], state).float()
        if not torch.equal(values, floats[name]):
            different += 1
            print(f"{name}: {int((values != floats[name]).sum())} of {values.numel()} values differ")
    print(f"{len(weights)} weights read by bitsandbytes, {different} differ")
    sys.exit(1 if different > 0 or len(weights) == 0 else 0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
