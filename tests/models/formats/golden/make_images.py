#!/usr/bin/env python3
"""Writes images/: small JPEG and PNG files with the pixels that Pillow reads from them (NAME.npy, [height, width, 3]), and what
PyTorch makes of one when it is resized (resized_*.npy, [3, height, width]). Pillow 9.4 with libjpeg-turbo 2.1, PyTorch 1.13."""
import pathlib
import struct
import zlib

import numpy as np
import torch
from PIL import Image

folder = pathlib.Path(__file__).parent / 'images'
height, width = 19, 29  # odd, and not multiples of a JPEG's blocks


def photo():
    """Slopes, a bright disc and a little noise."""
    y, x = np.mgrid[:height, :width].astype(float)
    disc = 80 * ((x - 18)**2 + (y - 8)**2 < 30)
    channels = np.stack([40 + 5 * x + disc, 200 - 6 * y + 0 * x, 60 + 3 * x + 4 * y + disc / 2], axis=-1)
    return np.clip(channels + np.random.default_rng(1).normal(0, 2, channels.shape), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(pixels, depth, interlaced):
    """An RGB file by hand, for what Pillow does not write."""
    def rows(part):
        part = part.astype('>u2') if depth == 16 else part
        return b''.join(b'\0' + row.tobytes() for row in part) if part.size else b''
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7
    parts = [rows(pixels[y::dy, x::dx]) for y, x, dy, dx in passes] if interlaced else [rows(pixels)]
    header = struct.pack('>IIBBBBB', pixels.shape[1], pixels.shape[0], depth, 2, 0, 0, int(interlaced))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b''.join(parts), 9)) + chunk(b'IEND', b'')


def save_expected(name, pixels):
    np.save(folder / (name + '.npy'), np.ascontiguousarray(pixels))


def main():
    folder.mkdir(exist_ok=True)
    pixels = photo()
    image = Image.fromarray(pixels)
    image.save(folder / 'baseline.jpg', quality=92, subsampling='4:4:4')
    image.save(folder / 'subsampled.jpg', quality=92, subsampling='4:2:0')
    image.save(folder / 'progressive.jpg', quality=92, subsampling='4:2:0', progressive=True)
    image.convert('L').save(folder / 'grey.jpg', quality=92)
    image.save(folder / 'rgb.png')
    image.quantize(16).save(folder / 'palette.png')
    Image.merge('LA', [image.convert('L'), image.convert('L').rotate(180)]).save(folder / 'grey_alpha.png')
    image.convert('1').save(folder / 'bits.png')
    (folder / 'interlaced.png').write_bytes(png(pixels, 8, True))
    for path in sorted(folder.glob('*.jpg')) + sorted(folder.glob('*.png')):
        read = Image.open(path)
        save_expected(path.stem, np.asarray(read.convert('L').convert('RGB') if read.mode == 'LA' else read.convert('RGB')))
    deep = pixels.astype(np.uint16) * 256 + np.arange(pixels.size, dtype=np.uint16).reshape(pixels.shape) % 256
    (folder / 'deep.png').write_bytes(png(deep, 16, False))
    save_expected('deep', pixels)

    planes = torch.tensor(pixels.transpose(2, 0, 1)[None].astype(np.float32))
    for name, size in [('smaller', (8, 12)), ('larger', (24, 36))]:
        resized = torch.nn.functional.interpolate(planes, size=size, mode='bilinear', antialias=True, align_corners=False)
        save_expected('resized_' + name, resized[0].numpy())


if __name__ == '__main__':
    main()
