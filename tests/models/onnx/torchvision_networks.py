#!/usr/bin/env python3
"""Compares safer with PyTorch on torchvision's classification networks and timm's vision transformer, exported with random weights.

Usage: python3 torchvision_networks.py SAFER [--opset 13] [--baked] [--keep FOLDER] [NETWORK...]

SAFER is the program. For each network the outputs that `safer run` gives are compared with PyTorch's; the difference is that of the
worst output over the largest output. For some, the gradient of the top logit for every weight, too, as the error of all of them over
their norm. Exit status 1 when one is out of bounds. Needs torch and torchvision.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
import torchvision

from timm_vit import VisionTransformer

NETWORKS = ["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "vgg11", "densenet121", "squeezenet1_1",
            "shufflenet_v2_x1_0", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t", "alexnet", "googlenet",
            "inception_v3", "mnasnet1_0", "swin_v2_t", "maxvit_t", "timm_vit_tiny", "timm_vit_tiny_tanh"]
TIMM = {"timm_vit_tiny": {}, "timm_vit_tiny_tanh": {"gelu": "tanh", "layer_scale": 1e-5}}
SIZES = {"inception_v3": 299}
GRADIENTS = ["resnet18", "mobilenet_v2", "vit_b_16", "timm_vit_tiny"]
OUTPUT_BOUND, GRADIENT_BOUND = 1e-4, 1e-3


def make(name, size):
    torch.manual_seed(1)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    model = VisionTransformer(**TIMM[name]) if name in TIMM else getattr(torchvision.models, name)(weights=None, **options)
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():  # heads and scales that start at nothing would hide what is before them
            if parameter.numel() > 1 and 0 < parameter.abs().max() < 1e-4 or parameter.dim() > 1 and parameter.abs().max() == 0:
                parameter.normal_(std=0.1)
        if any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules()):
            model(torch.randn(4, 3, size, size))  # so that batch norms have statistics of their own
    return model.eval()


def export(model, x, path, arguments, keep_norms):
    axes = None if arguments.baked else {"input": {0: "batch"}, "output": {0: "batch"}}
    mode = torch.onnx.TrainingMode.PRESERVE if keep_norms else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(model, x[:1], path, opset_version=arguments.opset, input_names=["input"], output_names=["output"],
                      dynamic_axes=axes, training=mode, do_constant_folding=not keep_norms)


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])
    return done.stdout


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + length + begin:8 + length + end], np.float32).reshape(entry["shape"])
    return tensors


def gradient_error(arguments, model, x, folder):
    """Of the mean over the samples, for all weights. Batch norms are kept: folded into them, they would make other weights of them."""
    path = folder / "gradients.onnx"
    export(model, x, path, arguments, keep_norms=True)
    run([arguments.safer, "rank", path, "--data", f"npy:{folder}/x.npy", "--preset", "paper", "--criterion", "gradient", "--target", "top-logit",
         "--relevance-out", folder / "gradient.safetensors", "--samples", len(x), "--reduction", "l2"])
    found = read_safetensors(folder / "gradient.safetensors")
    model.zero_grad()
    model(x).max(1).values.mean().backward()
    wanted = dict(model.named_parameters())
    error = norm = 0
    for name, gradient in found.items():
        name = name if name in wanted else name.replace("self_attention.weight", "self_attention.in_proj_weight")
        expected = wanted[name].grad.numpy()
        # MatMul has weights the other way round, which the shape of a square one does not tell.
        orders = [order.astype(float) for order in (gradient, gradient.T) if order.shape == expected.shape]
        error += min(np.square(order - expected).sum() for order in orders)
        norm += np.square(expected.astype(float)).sum()
    return len(found), (error / norm) ** 0.5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("safer", type=pathlib.Path)
    parser.add_argument("networks", nargs="*", default=[])
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--baked", action="store_true", help="export for a batch of 1")
    parser.add_argument("--keep-norms", action="store_true", help="export batch norms as they are, and no constants folded")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the exported files")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    failed = False
    print(f"{'network':20} {'outputs':>10} {'gradients':>20} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.networks or NETWORKS:
            size = SIZES.get(name, 224)
            model = make(name, size)
            x = torch.randn(2, 3, size, size)
            np.save(folder / "x.npy", x.numpy())
            path = folder / f"{name}.onnx"
            try:
                export(model, x, path, arguments, arguments.keep_norms)
                start = time.time()
                run([arguments.safer, "run", path, "--data", f"npy:{folder}/x.npy", "--out", folder / "y.npy"])
                seconds = time.time() - start
                with torch.no_grad():
                    expected = model(x).numpy()
                error = np.abs(np.load(folder / "y.npy") - expected).max() / np.abs(expected).max()
                failed |= not error <= OUTPUT_BOUND
                gradients = ""
                if name in GRADIENTS:
                    count, difference = gradient_error(arguments, model, x, folder)
                    failed |= not difference <= GRADIENT_BOUND
                    gradients = f"{difference:.1e} of {count}"
                print(f"{name:20} {error:10.1e} {gradients:>20} {seconds:8.1f}", flush=True)
            except Exception as error:  # one network must not hide the others
                failed = True
                print(f"{name:20} failed: {type(error).__name__}: {str(error)[:1500]}", flush=True)
            if not arguments.keep:
                path.unlink(missing_ok=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
