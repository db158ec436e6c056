"""A small classifier in numpy: layers of tanh, a softmax at the end, its loss, and its gradient. Needs numpy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Network:
    """A network's shape: `sizes` of its layers, the inputs' first and the classes' last. Its parameters are one flat
    array, each layer's weights (inputs × outputs) and then its biases."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self.count = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))

    def first(self, seed: int) -> Floats:
        """Parameters to begin with, by Glorot's rule."""
        rng = np.random.default_rng(seed)
        parts: list[Floats] = []
        for fan_in, fan_out in pairwise(self.sizes):
            bound = np.sqrt(6 / (fan_in + fan_out))
            parts += [rng.uniform(-bound, bound, fan_in * fan_out), np.zeros(fan_out)]
        return np.concatenate(parts)

    def layers(self, parameters: Floats) -> list[tuple[Floats, Floats]]:
        """Weights and biases of each layer, as views."""
        found, at = [], 0
        for fan_in, fan_out in pairwise(self.sizes):
            weights = parameters[at : at + fan_in * fan_out].reshape(fan_in, fan_out)
            at += fan_in * fan_out
            found.append((weights, parameters[at : at + fan_out]))
            at += fan_out
        return found

    def probabilities(self, parameters: Floats, inputs: Floats) -> Floats:
        """Of each class (columns), for each input (rows)."""
        return self._forward(parameters, inputs)[-1]

    def judge(self, parameters: Floats, inputs: Floats, labels: Labels) -> tuple[float, float]:
        """The mean loss (cross entropy) and the share that is right."""
        chances = self.probabilities(parameters, inputs)
        return _loss(chances, labels) / len(labels), float(np.mean(chances.argmax(1) == labels))

    def gradient(self, parameters: Floats, inputs: Floats, labels: Labels) -> tuple[Floats, float, int]:
        """The sum over the inputs of the loss's gradient; the sum of the losses; how many are right. Sums, so that
        those of several parts add up to that of the whole."""
        outputs = self._forward(parameters, inputs)
        chances = outputs[-1]
        away = chances.copy()
        away[np.arange(len(labels)), labels] -= 1
        parts: list[Floats] = []
        for at, (weights, _) in reversed(list(enumerate(self.layers(parameters)))):
            parts = [(outputs[at].T @ away).ravel(), away.sum(0), *parts]
            if at:
                away = (away @ weights.T) * (1 - outputs[at] ** 2)
        right = int(np.sum(chances.argmax(1) == labels))
        return np.concatenate(parts), _loss(chances, labels), right

    def _forward(self, parameters: Floats, inputs: Floats) -> list[Floats]:
        outputs = [inputs]
        layers = self.layers(parameters)
        for at, (weights, biases) in enumerate(layers):
            made = outputs[-1] @ weights + biases
            if at < len(layers) - 1:
                outputs.append(np.tanh(made))
            else:
                powers = np.exp(made - made.max(1, keepdims=True))
                outputs.append(powers / powers.sum(1, keepdims=True))
        return outputs


def _loss(chances: Floats, labels: Labels) -> float:
    return float(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-300)).sum())


class Model:
    """A trained network with what its inputs are scaled by and what its classes are called; saved as .npz."""

    def __init__(
        self, network: Network, parameters: Floats, scaling: tuple[Floats, Floats], classes: NDArray[Any]
    ) -> None:
        self.network, self.parameters, self.classes = network, parameters, classes
        self._mean, self._scale = scaling

    def save(self, path: str) -> None:
        """Write it, without any pickle, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        fd, written = tempfile.mkstemp(dir=os.path.dirname(path) or ".", suffix=".npz")
        try:
            with os.fdopen(fd, "wb") as file:
                np.savez(
                    file,
                    sizes=np.asarray(self.network.sizes),
                    parameters=self.parameters,
                    mean=self._mean,
                    scale=self._scale,
                    classes=self.classes,
                )
            os.replace(written, path)
        except BaseException:
            os.unlink(written)
            raise

    @classmethod
    def load(cls, path: str) -> Model:
        """Read one.

        Raises:
            ValueError: it is none, or a pickle is in it, which is never loaded.
            OSError: it can't be read.
        """
        try:
            with np.load(path, allow_pickle=False) as found:
                network = Network([int(one) for one in found["sizes"]])
                parameters = found["parameters"].astype(np.float64)
                scaling = (found["mean"], found["scale"])
                classes = found["classes"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no model that distributed_training saved: {error}") from None
        if parameters.shape != (network.count,) or len(classes) != network.sizes[-1]:
            raise ValueError(f"{path} is no model that distributed_training saved: its parts don't fit")
        return cls(network, parameters, scaling, classes)

    def probabilities(self, inputs: Floats) -> Floats:
        """Of each class, for inputs as they were before scaling."""
        return self.network.probabilities(self.parameters, (inputs - self._mean) / self._scale)
