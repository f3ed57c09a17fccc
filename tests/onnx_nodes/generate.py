#!/usr/bin/env python3
"""Writes the node tests that come with Python's onnx package to a folder: python3 generate.py FOLDER"""
import sys

import numpy

# The package's own generators still use these, which NumPy dropped in 1.24.
for name, kind in {"object": object, "bool": bool, "int": int, "float": float, "complex": complex, "str": str}.items():
    if name not in vars(numpy):
        setattr(numpy, name, kind)

from onnx.backend.test import cmd_tools  # noqa: E402

sys.argv = ["cmd_tools", "generate-data", "-o", sys.argv[1]]
cmd_tools.main()
