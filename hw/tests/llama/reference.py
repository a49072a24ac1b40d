"""Golden logits of a tiny random Llama by `transformers`, for golden.rs: python reference.py > golden.json

Weights come from an integer hash that golden.rs computes too, so that only sizes and logits are stored.
"""

import json
import zlib

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = dict(vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, intermediate_size=64, max_position_embeddings=256)
TOKENS = [7, 300, 12, 12, 255, 0, 319, 41, 98, 7, 7, 150, 3, 201]
SHOWN = 16


def hashed(name, shape):
    """Numbers in [-0.5, 0.5): the top 24 bits of a multiplicative hash of the index and the name's CRC-32."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64)
    key = np.uint64(zlib.crc32(name.encode()))
    with np.errstate(over="ignore"):
        x = (index + (key << np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(29)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(32)
    unit = (x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return (unit - np.float32(0.5)).reshape(shape)


def golden(tied, theta):
    config = LlamaConfig(**SIZES, rms_norm_eps=1e-5, rope_theta=theta, tie_word_embeddings=tied,
                         attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            values = torch.from_numpy(hashed(name, tuple(tensor.shape)))
            tensor.copy_(values + 1.0 if "norm" in name else values)
        logits = model(torch.tensor([TOKENS])).logits[0]
    # The base has arrived: transformers has renamed its parameter before.
    assert abs(model.model.rotary_emb.inv_freq[1].item() - theta ** (-2 / 8)) < 1e-6
    return dict(tied=tied, rope_base=theta,
                logits=[[round(x, 6) for x in row[:SHOWN].tolist()] for row in logits],
                top=[int(row.argmax()) for row in logits])


torch.set_num_threads(1)
cases = [golden(True, 10_000.0), golden(False, 500_000.0)]
lines = ",\n".join(json.dumps(case) for case in cases)
print(f'{{"tokens": {json.dumps(TOKENS)}, "cases": [\n{lines}\n]}}')
