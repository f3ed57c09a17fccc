"""Writes moons.npy and moons_labels.npy: 300 points of two interleaving half circles, as scikit-learn's make_moons defines them."""
import numpy as np

rng = np.random.default_rng(2023)
n = 150
t = np.linspace(0, np.pi, n)
points = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)])
labels = np.repeat([0, 1], n)
order = rng.permutation(2 * n)
points = points[order] + rng.normal(scale=0.1, size=points.shape)
np.save("moons.npy", points.astype(np.float32))
np.save("moons_labels.npy", labels[order])
