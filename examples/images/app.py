"""Classify a folder of images, in batches, with a model that is loaded once. In this folder:

farhand dev app.py
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from chart import confusion_chart
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.svm import SVC

import farhand

LEARNT = 898
app = farhand.App()


@dataclass
class Prediction:
    """The digit that an image shows, by its folder, and the one that the model sees."""

    file: str
    label: int
    digit: int


@dataclass
class Report:
    """How often it was right, from 0 to 1, and what it took for what."""

    accuracy: float
    confusion: farhand.File


@app.lifespan
def load_model(state: SimpleNamespace) -> None:
    """Once a worker process, before it takes work. A larger model would be read from a file here."""
    digits = load_digits()
    state.model = SVC(gamma=0.001).fit(digits.data[:LEARNT], digits.target[:LEARNT])


@app.handler
def classify(ctx: farhand.Context, folder: str, batch: int = 32) -> Generator[list[Prediction], None, Report]:
    """A chunk of predictions a batch, and a report in the end. The images are folder/LABEL/NAME.png, on the worker."""
    paths = sorted(Path(folder).glob("*/*.png"))
    if not paths:
        raise FileNotFoundError(f"there are no images {folder}/LABEL/NAME.png on this worker")
    labels = [int(path.parent.name) for path in paths]
    found: list[int] = []
    for start in range(0, len(paths), batch):
        some = paths[start : start + batch]
        pixels = np.stack([np.asarray(Image.open(path).convert("L").resize((8, 8))).ravel() for path in some])
        found += ctx.state.model.predict(pixels / 15).tolist()
        ctx.progress(len(found), len(paths), "classifying")
        yield [Prediction(str(path), labels[at], found[at]) for at, path in enumerate(some, start)]
    matrix = confusion_matrix(labels, found, labels=range(10))
    chart = farhand.File.of(confusion_chart(matrix.tolist()), "confusion.png")
    return Report(accuracy=float(matrix.trace() / matrix.sum()), confusion=chart)
