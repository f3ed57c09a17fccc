#!/usr/bin/env python3
"""Runs the node tests and compares the table with docs/onnx.md: python3 run.py ONNX_NODE_TESTS [--write]"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TABLE = HERE.parent.parent / "docs/onnx.md"
VERSION = "1.12"  # of the package whose tests are counted in the table
SKIPPED = 77

try:
    import onnx
except ImportError:
    print("MESSAGE: skipped: python3-onnx is not installed")
    sys.exit(SKIPPED)

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, HERE / "generate.py", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run([sys.argv[1], f"{folder}/node"], stdout=subprocess.PIPE, text=True)
if "--write" in sys.argv:
    TABLE.write_text(done.stdout)
elif onnx.__version__.startswith(VERSION) and done.stdout != TABLE.read_text():
    sys.exit(f"{TABLE} is not what the tests give; write it anew with --write")
sys.exit(done.returncode)
