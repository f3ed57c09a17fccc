#!/usr/bin/env python3
"""Runs moons_bench and moons_torch.py on the same work, and prints what each part costs and the ratio.

    bench/moons_compare.py build/release/bin/moons_bench [--width 32] [--depth 4] [--points 32] ...

PyTorch is optional: without it only our own times are printed. Everything runs on one thread, one program after the other; times are
processor time. --python names the interpreter that has PyTorch.
"""

import argparse
import json
import pathlib
import subprocess
import sys

SIZES = {"depth": 4, "width": 32, "epochs": 6, "batch": 32, "replays": 1000, "points": 32, "repeats": 9}


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", help="the moons_bench program")
    parser.add_argument("--python", default=sys.executable)
    for size, value in SIZES.items():
        parser.add_argument(f"--{size}", type=int, default=value)
    options = vars(parser.parse_args())
    sizes = {size: options[size] for size in SIZES}
    ours = run([options["bench"], ",".join(f"{size}={value}" for size, value in sizes.items())])
    if ours is None:
        sys.exit("moons_compare.py: moons_bench failed")
    script = pathlib.Path(__file__).with_name("moons_torch.py")
    theirs = run([options["python"], script, *(word for size, value in sizes.items() for word in (f"--{size}", str(value)))])

    print(", ".join(f"{size} {value}" for size, value in sizes.items()))
    print(f"overhead of an op beyond its kernel: {ours['op_ns'] - ours['op_kernel_ns']:.1f} ns forward, "
          f"{ours['reverse_op_ns'] - ours['reverse_op_kernel_ns']:.1f} ns in reverse")
    for one in filter(None, (ours, theirs)):
        print(f"{one['who']:40} training {one['train_ms']:8.2f} ms   replays {one['replay_ms']:8.2f} ms   "
              f"accuracy {one['accuracy']:.4f}")
    if theirs:
        ratios = [theirs[part] / ours[part] for part in ("train_ms", "replay_ms")]
        whole = (theirs["train_ms"] + theirs["replay_ms"]) / (ours["train_ms"] + ours["replay_ms"])
        print(f"PyTorch's time over ours: training {ratios[0]:.1f}, replays {ratios[1]:.1f}, both together {whole:.1f}")


if __name__ == "__main__":
    main()
