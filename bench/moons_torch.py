#!/usr/bin/env python3
"""The work of moons_bench.cpp in PyTorch on one thread: train one moons network, then replay it with one perturbed layer at a time.

Written as one would for speed: data in tensors, the faster of the two Adam implementations, cached inputs of every layer, so that a
replay computes only what follows the perturbed weight, and inference mode. Prints one JSON object.
"""

import argparse
import json
import math
import os
import random
import statistics
import sys
import time

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("moons_torch.py: PyTorch is not installed (Debian: python3-torch); the comparison is left out")


def make_moons(n, noise, seed):
    generator = torch.Generator().manual_seed(seed)
    outer, inner = torch.linspace(0, math.pi, n // 2), torch.linspace(0, math.pi, n - n // 2)
    points = torch.cat([torch.stack([outer.cos(), outer.sin()], 1), torch.stack([1 - inner.cos(), 0.5 - inner.sin()], 1)])
    labels = torch.cat([torch.zeros(n // 2, dtype=torch.long), torch.ones(n - n // 2, dtype=torch.long)])
    order = torch.randperm(n, generator=generator)
    return points[order] + noise * torch.randn(n, 2, generator=generator), labels[order]


def vanilla(depth, width):
    sizes = [2] + [width] * depth
    layers = []
    for before, after in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 2))
    for layer in network:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    return network


def train(network, points, labels, epochs, batch, foreach):
    """The learning rate falls to 0 over the last third, as it does on the other side."""
    adam = torch.optim.Adam(network.parameters(), lr=0.01, foreach=foreach)
    steps, step = epochs * math.ceil(len(points) / batch), 0
    for _ in range(epochs):
        order = torch.randperm(len(points))
        shuffled_points, shuffled_labels = points[order], labels[order]
        for x, y in zip(shuffled_points.split(batch), shuffled_labels.split(batch)):
            adam.zero_grad(set_to_none=True)
            F.cross_entropy(network(x), y).backward()
            adam.param_groups[0]["lr"] = 0.01 * min(1, 3 * (steps - step) / steps)
            adam.step()
            step += 1


def perturbed(weight, largest, kind, level):
    """Zeroed fraction, normal noise, impulses: one of the three noises, in units of the layer's largest weight."""
    if kind == 0:
        return weight * (torch.rand_like(weight) >= level)
    if kind == 1:
        return weight + torch.randn_like(weight) * (level * largest)
    return weight + (torch.rand_like(weight) < level) * (random.random() * largest)


@torch.inference_mode()
def replay(network, points, replays):
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    largest = [layer.weight.abs().max().item() for layer in linear]
    inputs = [points]
    for layer in linear[:-1]:
        inputs.append(F.relu(layer(inputs[-1])))
    logits = torch.empty(replays, len(points), 2)
    for draw in range(replays):
        at = draw % len(linear)
        weight = perturbed(linear[at].weight, largest[at], draw // len(linear) % 3, 0.1 * (1 + draw % 9))
        h = F.linear(inputs[at], weight, linear[at].bias)
        for layer in linear[at + 1:]:
            h = layer(F.relu(h))
        logits[draw] = h
    return logits


def milliseconds(work):
    """Of processor time, so that what else the machine does counts little."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--points", type=int, default=32, help="test points of a replay")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    points, labels = make_moons(2000, 0.1, 1)
    test_points, test_labels = make_moons(1000, 0.1, 2)

    def timed_training(foreach):
        network = vanilla(options.depth, options.width)
        return milliseconds(lambda: train(network, points, labels, options.epochs, options.batch, foreach)), network

    timed_training(False)  # warm-up
    foreach = timed_training(True)[0] < timed_training(False)[0]
    training, replaying = [], []
    for _ in range(options.repeats):
        elapsed, network = timed_training(foreach)
        training.append(elapsed)
        replaying.append(milliseconds(lambda: replay(network, test_points[: options.points], options.replays)))
    accuracy = (network(test_points).argmax(1) == test_labels).float().mean().item()
    config = torch.__config__.show()
    blas = next((line.split("=")[1].split(",")[0] for line in config.replace(", ", "\n").splitlines() if "BLAS_INFO" in line), "?")
    print(json.dumps({
        "who": f"PyTorch {torch.__version__}, BLAS {blas}, Adam {'foreach' if foreach else 'loop'}",
        "train_ms": statistics.median(training),
        "replay_ms": statistics.median(replaying),
        "accuracy": accuracy,
    }))


if __name__ == "__main__":
    main()
