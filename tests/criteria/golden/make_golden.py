#!/usr/bin/env python3
"""Writes phi.safetensors: what all ten criteria give for the networks, samples, noise and masks of inputs.safetensors, in double
precision with PyTorch (1.13) and NumPy, each from its definition and without a line of the code under test. Slow and plain on purpose:
one sample and one weight tensor at a time.

inputs.safetensors is written by the tests themselves (trained networks, and our draws of noise and masks):
    test_criteria --no-skip --test-case="write the inputs of the goldens"
"""
import json
import math
import pathlib
import struct

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
folder = pathlib.Path(__file__).parent
STEPS = {"ig": 32, "idgi": 32, "gig": 50}
TYPES = {"F32": "<f4", "F64": "<f8", "U8": "u1"}


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write(path, tensors):
    header, body = {}, b""
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        kind = next(kind for kind, code in TYPES.items() if np.dtype(code) == array.dtype)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(body), len(body) + array.nbytes]}
        body += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


# ---- the networks: x [n, 2] -> logits [n, 2], from their parameters by name


def dense(p, name, x):
    return x @ p[name + ".weight"].T + p[name + ".bias"]


def vanilla(p, x):
    layer = 0
    while f"layers.{layer}.weight" in p:
        x = torch.relu(dense(p, f"layers.{layer}", x))
        layer += 1
    return dense(p, "head", x)


def skip(p, x):
    h, block = dense(p, "stem", x), 0
    while f"blocks.{block}.dense1.weight" in p:
        h = h + torch.relu(dense(p, f"blocks.{block}.dense1", h))
        block += 1
    return dense(p, "head", h)


def norm(p, name, x):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], p[name + ".weight"], p[name + ".bias"], eps=1e-5)


def attend(p, name, x, heads=4):
    n, tokens, d = x.shape
    q, k, v = (dense(p, f"{name}.{part}", x).reshape(n, tokens, heads, d // heads).transpose(1, 2) for part in "qkv")
    weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(d // heads), dim=-1)
    return dense(p, name + ".out", (weights @ v).transpose(1, 2).reshape(n, tokens, d))


def transformer(p, x):
    h, block = dense(p, "embed", x[:, :, None]) + p["positions"], 0
    while f"blocks.{block}.norm1.weight" in p:
        b = f"blocks.{block}."
        h = h + attend(p, b + "attention", norm(p, b + "norm1", h))
        h = h + dense(p, b + "mlp.fc2", torch.nn.functional.gelu(dense(p, b + "mlp.fc1", norm(p, b + "norm2", h))))
        block += 1
    return dense(p, "head", h.mean(1))


NETWORKS = {"vanilla": vanilla, "skip": skip, "transformer": transformer}


class Case:
    """One network with one target, whose classes are frozen at its own weights."""

    def __init__(self, name, tensors, target):
        own = {key[len(name) + 1:]: value for key, value in tensors.items() if key.startswith(name + "/")}
        of = lambda part: {key[len(part):]: value for key, value in own.items() if key.startswith(part)}
        as_double = lambda array: torch.tensor(array.astype(np.float64))
        self.network, self.target = NETWORKS[name], target
        self.p = {key: as_double(value) for key, value in of("parameter/").items()}
        self.x = as_double(own["inputs"])
        self.noisy = {key: as_double(value) for key, value in of("noisy/").items()}
        self.masks = {key: value.astype(np.float64) for key, value in of("masks/").items()}
        self.joint_masks = {key: value.astype(np.float64) for key, value in of("joint_masks/").items()}
        self.weights = sorted(self.noisy)
        self.classes = self.network(self.p, self.x).argmax(1)

    def targets(self, p, rows=slice(None)):
        z = self.network(p, self.x[rows])
        top = z.gather(1, self.classes[rows, None])[:, 0]
        return top if self.target == "top-logit" else torch.logsumexp(z, 1) - top

    def gradients(self, p, names, rows=slice(None)):
        """The mean target over the rows, and its gradient by these weights."""
        p = dict(p)
        for name in names:
            p[name] = p[name].clone().requires_grad_()
        mean = self.targets(p, rows).mean()
        return mean.item(), {n: g for n, g in zip(names, torch.autograd.grad(mean, [p[n] for n in names]))}

    def moved(self, values):
        return {**self.p, **values}

    def blocks(self, path):
        return [self.weights] if path == "joint" else [[name] for name in self.weights]


def per_sample(case):
    """By weight: [samples, ...]"""
    rows = [case.gradients(case.p, case.weights, slice(s, s + 1))[1] for s in range(len(case.x))]
    return {name: torch.stack([row[name] for row in rows]) for name in case.weights}


def simple(case, preset):
    g = per_sample(case)
    phi = {key: {} for key in ["weight", "gradient", "weight-x-gradient", "gradcam++"]}
    for name in case.weights:
        w = case.p[name]
        size = g[name].mean(0) if preset == "paper" else (g[name] ** 2).mean(0).sqrt()
        share = torch.where(g[name] == 0, torch.zeros(()), 1 / (2 + w * g[name]))
        phi["weight"][name] = w
        phi["gradient"][name] = size
        phi["weight-x-gradient"][name] = (w if preset == "paper" else w.abs()) * size
        phi["gradcam++"][name] = (share if preset == "paper" else share * g[name].abs()).mean(0)
    return phi


def ig(case, preset, path):
    phi, steps = {}, STEPS["ig"]
    for block in case.blocks(path):
        total = {name: torch.zeros_like(case.p[name]) for name in block}
        for k in range(steps):
            point = case.moved({name: (k + 0.5) / steps * case.p[name] for name in block})
            for name, gradient in case.gradients(point, block)[1].items():
                total[name] += gradient / steps
        for name in block:
            phi[name] = total[name] * (1 if preset == "paper" else case.p[name])
    return phi


def idgi(case, path):
    phi, steps = {}, STEPS["idgi"]
    for block in case.blocks(path):
        points = [case.gradients(case.moved({n: j / steps * case.p[n] for n in block}), block) for j in range(steps + 1)]
        total = {name: torch.zeros_like(case.p[name]) for name in block}
        for (f, g), (f_next, _) in zip(points, points[1:]):
            norm2 = sum((gradient ** 2).sum() for gradient in g.values())
            assert norm2 > 1e-30, "the case without a gradient is tested in closed form"
            for name in block:
                total[name] += (f_next - f) * g[name] ** 2 / norm2
        phi.update(total)
    return phi


def guided(gradient, start, end, steps, fraction=0.25, max_dist=0.1):
    """Guided IG in the coordinates themselves, as its authors describe it; NumPy vectors."""
    x, attribution, length = start.copy(), np.zeros_like(start), np.abs(end - start).sum()
    on_line = lambda alpha: start + alpha * (end - start)
    moves = end != start
    for step in range(steps):
        g = gradient(x)
        alpha = (step + 1) / steps
        low, high = on_line(max(alpha - max_dist, 0.0)), on_line(min(alpha + max_dist, 1.0))
        required = length * (1 - alpha)
        before = x.copy()
        late = moves & (np.abs(x - start) < np.abs(low - start))
        x[late] = low[late]
        arrived = ~moves | (np.abs(x - start) >= np.abs(high - start))
        while np.abs(end - x).sum() > required + 1e-9 * length and not arrived.all():
            magnitude = np.where(arrived, np.inf, np.abs(g))
            threshold = np.quantile(magnitude, fraction, method="lower")
            chosen = (magnitude <= threshold * (1 + 1e-4)) & ~arrived  # equal but for rounding is equal
            gamma = (np.abs(end - x).sum() - required) / np.abs(high - x)[chosen].sum()
            if gamma >= 1 - 1e-9:
                x[chosen] = high[chosen]
                arrived |= chosen
            else:
                x[chosen] += gamma * (high - x)[chosen]
                break
        attribution += (x - before) * g
    assert np.allclose(x, end, atol=1e-12)
    return attribution


def gig(case, path):
    phi = {}
    for block in case.blocks(path):
        shapes, sizes = [case.p[n].shape for n in block], [case.p[n].numel() for n in block]
        split = lambda flat: {n: torch.tensor(part).reshape(s)
                              for n, s, part in zip(block, shapes, np.split(flat, np.cumsum(sizes)[:-1]))}
        join = lambda values: np.concatenate([values[n].numpy().ravel() for n in block])
        start = join(case.p)
        gradient = lambda x: join(case.gradients(case.moved(split(x)), block)[1])
        phi.update(split(-guided(gradient, start, np.zeros_like(start), STEPS["gig"])))
    return phi


def noise(case, preset):
    draws = len(case.noisy[case.weights[0]])
    all_draws = [case.gradients(case.moved({n: case.noisy[n][d] for n in case.weights}), case.weights)[1] for d in range(draws)]
    smooth, variance = {}, {}
    for name in case.weights:
        g = torch.stack([draw[name] for draw in all_draws])
        smooth[name] = g.mean(0) if preset == "paper" else (g ** 2).mean(0).sqrt()
        variance[name] = g.var(0, unbiased=False)
    return {"smoothgrad": smooth, "vargrad": variance}


def hsic(case, path):
    masks = case.joint_masks if path == "joint" else case.masks
    outputs = []  # by block: [masks, samples]
    for block in case.blocks(path):
        rows = []
        for k in range(len(masks[block[0]])):
            values = {}
            for name in block:
                keep = torch.tensor(masks[name][k])
                bias = name[:-len("weight")] + "bias"
                values[name], values[bias] = case.p[name] * keep[:, None], case.p[bias] * keep
            rows.append(case.targets(case.moved(values)).numpy())
        outputs.append(np.stack(rows))
    p, n = outputs[0].shape
    centre = np.eye(p) - 1 / p
    phi = {name: np.zeros(masks[name].shape[1]) for name in case.weights}
    for s in range(n):
        distances = np.concatenate([np.abs(y[:, s, None] - y[None, :, s])[np.tril_indices(p, -1)] for y in outputs])
        distances = np.sort(distances[distances > 0])
        width = distances[(len(distances) - 1) // 2]
        for block, y in zip(case.blocks(path), outputs):
            L = centre @ np.exp(-(y[:, s, None] - y[None, :, s]) ** 2 / (2 * width ** 2)) @ centre
            for name in block:
                for d in range(masks[name].shape[1]):
                    m = masks[name][:, d]
                    K = 1 + 0.5 - (m[:, None] - m[None, :]) ** 2
                    phi[name][d] += (centre @ K @ centre * L).sum() / p / n
    return {name: torch.tensor(values) for name, values in phi.items()}


def main():
    tensors, result = read(folder / "inputs.safetensors"), {}
    for network in NETWORKS:
        for preset, target in [("paper", "top-logit"), ("recommended", "pseudo-ce")]:
            case = Case(network, tensors, target)
            with torch.no_grad():
                masks = {path: hsic(case, path) for path in ["layer", "joint"]}
            criteria = {**simple(case, preset), **noise(case, preset)}
            for path in ["layer", "joint"]:
                criteria.update({f"ig {path}": ig(case, preset, path), f"gig {path}": gig(case, path),
                                 f"idgi {path}": idgi(case, path), f"hsic {path}": masks[path]})
            for criterion, phi in criteria.items():
                kind = np.float64 if criterion.startswith("gig") else np.float32
                flat = np.concatenate([phi[name].numpy().ravel() for name in case.weights])
                result[f"{network}/{preset}/{criterion}"] = flat.astype(kind)
    write(folder / "phi.safetensors", result)


main()
