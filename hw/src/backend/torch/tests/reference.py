"""Golden logits of Hugging Face transformers, for the tests beside it (reference.rs).

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 transformers
    venv/bin/python hw/src/backend/torch/tests/reference.py

Weights are made by a formula that the Rust tests compute as well, to the bit, so that only logits are kept.
"""

import json
import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
# Ids of the vocabulary whose logits are kept, of each row that is.
KEPT = 8


def mixed(index, salt):
    """32 random bits of an index."""
    x = (index.astype(np.uint64) * np.uint64(2654435761) + np.uint64(salt)) & np.uint64(0xFFFFFFFF)
    for _ in range(2):
        x ^= x >> np.uint64(16)
        x = (x * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(16))


def fnv(name):
    salt = 0x811C9DC5
    for byte in name.encode():
        salt = ((salt ^ byte) * 0x01000193) & 0xFFFFFFFF
    return salt


def weights(name, shape):
    count = int(np.prod(shape))
    out = np.empty(count, dtype=np.float32)
    for start in range(0, count, 1 << 24):
        stop = min(start + (1 << 24), count)
        bits = mixed(np.arange(start, stop), fnv(name)) >> np.uint64(8)
        out[start:stop] = bits.astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    if len(shape) == 1:
        out *= np.float32(0.25)
        if name.endswith("norm.weight"):
            out += np.float32(1)
    else:
        # A power of two near 1 / sqrt(fan-in): rounding is the same everywhere.
        out *= np.float32(2.0 ** -round(np.log2(np.sqrt(shape[1]))))
    return torch.from_numpy(out.reshape(shape))


def case(path):
    spec = json.loads(path.read_text())
    config = transformers.AutoConfig.for_model(**spec["config"])
    config.torch_dtype = torch.float32
    torch.set_num_threads(1)
    with transformers.initialization.no_init_weights() if hasattr(transformers, "initialization") else torch.no_grad():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights(name, tuple(parameter.shape)))
        model.tie_weights()
        size = config.vocab_size
        ids = mixed(np.arange(spec["time"]), 7) % np.uint64(size)
        logits = model(torch.from_numpy(ids.astype(np.int64))[None]).logits[0]
    kept = [int(id) for id in mixed(np.arange(KEPT), 11) % np.uint64(size)]
    rows = spec["rows"]
    return {
        "rows": rows,
        "ids": kept,
        "logits": [[float(logits[row, id]) for id in kept] for row in rows],
        "largest": [int(logits[row].argmax()) for row in rows],
        "mean": [float(logits[row].double().mean()) for row in rows],
    }


golden = {"made_by": f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}"}
for path in sorted((HERE / "configs").glob("*.json")):
    golden[path.stem] = case(path)
    print(path.stem, golden[path.stem]["largest"])
(HERE / "golden.json").write_text(json.dumps(golden) + "\n")
