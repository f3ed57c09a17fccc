#!/usr/bin/env python3
"""Writes the golden files of this folder: npy files with NumPy itself (1.24), safetensors files byte by byte from the format's
description, since the point is to have them from somebody else than the code under test."""
import json
import pathlib
import struct

import numpy as np

folder = pathlib.Path(__file__).parent


def counting(shape, dtype):
    """Element i, in row-major order, is (i - 3) / 4 for floats, i - 3 for signed integers, i for the others."""
    i = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    kind = np.dtype(dtype).kind
    return ((i - 3) / 4 if kind == "f" else i - 3 if kind == "i" else i % 2 if kind == "b" else i).astype(dtype)


def save(name, array, version=(1, 0)):
    with open(folder / name, "wb") as file:
        np.lib.format.write_array(file, array, version=version)


for code in ["f4", "f8", "i1", "u1", "i4", "i8", "b1"]:
    save(f"{code}.npy", counting((2, 3), code))
save("scalar.npy", counting((), "f4"))
save("vector.npy", counting((5,), "f4"))
save("empty.npy", counting((3, 0, 2), "f4"))
save("rank8.npy", counting((1, 2, 1, 3, 1, 2, 1, 2), "i4"))
save("version2.npy", counting((2, 3), "f4"), (2, 0))
save("version3.npy", counting((2, 3), "f4"), (3, 0))
save("fortran2.npy", np.asfortranarray(counting((3, 5), "f8")))
save("fortran4.npy", np.asfortranarray(counting((2, 3, 4, 5), "i1")))
save("refused_big_endian.npy", counting((2, 3), ">f4"))
save("refused_f2.npy", counting((2, 3), "f2"))
save("refused_text.npy", np.array(["ab", "c"]))
save("refused_fields.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))


def safetensors(name, tensors, metadata=None, order=None):
    """tensors: [(name, dtype, array)] in the order of their bytes; order: that of the header, if it differs."""
    entries, data = {}, b""
    for key, dtype, array in tensors:
        entries[key] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    header = {"__metadata__": metadata} if metadata else {}
    header.update({key: entries[key] for key in order or entries})
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


# The order in which the reference writer puts them: by falling alignment and type (I64 F64 F32 I32 I8 U8), then by name.
tensors = [
    ("labels", "I64", counting((4,), "<i8")),
    ("double", "F64", counting((2, 2), "<f8")),
    ("a", "F32", counting((2, 3), "<f4")),
    ("b.größe", "F32", counting((), "<f4")),
    ("none", "F32", counting((0, 3), "<f4")),
    ("counts", "I32", counting((3,), "<i4")),
    ("signed", "I8", counting((5,), "i1")),
    ("bytes", "U8", counting((3,), "u1")),
]
safetensors("reference.safetensors", tensors, {"input": "x/255", "source": 'a "quoted" \\ line\nbreak'})

# Half precision, and a header in another order than the data.
some = np.array([0.0, -0.0, 1.0, -2.5, 65504.0, 6.1035156e-05, 5.9604645e-08, np.inf, -np.inf, 1 / 3], "<f4")
brain = (some.view("<u4") >> 16).astype("<u2")
safetensors("half.safetensors", [("brain", "BF16", brain), ("half", "F16", some.astype("<f2"))], order=["half", "brain"])
