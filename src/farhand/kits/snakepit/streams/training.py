"""distributed_training: a small network, trained by several processes that share each batch between them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Literal

import msgspec

from farhand.kits.snakepit.streams.extra import needed
from farhand.kits.snakepit.streams.pausing import check
from farhand.worker.context import Context

SHARD = "farhand.kits.snakepit.streams.shard"
MOMENTUM = 0.9
WORKERS_LIMIT, EPOCHS_LIMIT, WIDTH_LIMIT, LAYERS_LIMIT, CLASSES_LIMIT = 16, 100_000, 4096, 8, 10_000


class ModelConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`layers` is how many hidden ones there are, `hidden_size` how wide each is."""

    architecture: Literal["mlp"] = "mlp"
    layers: int = 1
    hidden_size: int = 32


class TrainingConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`workers` processes share each batch. `decay` is what the learning rate is multiplied by after an epoch. `output`
    is where the model goes, as .npz; a new file in the folder for temporary ones, where it isn't said."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.1
    workers: int = 2
    decay: float = 0.95
    seed: int = 0
    validation_share: float = 0.2
    output: str = ""


MODEL, TRAINING = ModelConfig(), TrainingConfig()


def distributed_training(
    ctx: Context,
    model_config: ModelConfig = MODEL,
    training_config: TrainingConfig = TRAINING,
    dataset_path: str = "digits",
) -> Iterator[dict[str, Any]]:
    """Train a classifier. Each batch is divided between the processes; each has the gradient of its rows, and the step
    is by their mean, so that it is the one that a single process would make.

    Args:
        dataset_path: ``digits``, scikit-learn's handwritten digits; an .npz with `x` (rows × features) and `y`
            (classes); or a .csv of numbers whose last column is the class. A part of the rows, drawn by the seed, is
            for validation.

    Chunks: `epoch` from 1, `train_loss`, `val_loss` (cross entropy), `train_acc`, `val_acc` (shares), `learning_rate`,
    `seconds`. The last has `final_model_path`, `best_val_accuracy`, `best_epoch`: the model is that of the best epoch.

    Raises:
        ValueError: a number makes no sense, or the data can't be used.
        RuntimeError: a process was lost.
        OSError: the data can't be read, or the model not be written.
        ImportError: numpy or scikit-learn is not installed.
    """
    _check(model_config, training_config)
    np = needed("numpy")
    from farhand.kits.snakepit.streams.network import Model, Network

    data = _Data(dataset_path, training_config)
    network = Network([data.width, *[model_config.hidden_size] * model_config.layers, len(data.classes)])
    parameters, speed = network.first(training_config.seed), np.zeros(network.count)
    rng = np.random.default_rng(training_config.seed + 1)
    best, best_accuracy, best_epoch = parameters.copy(), -1.0, 0
    rate = training_config.learning_rate
    with ExitStack() as stack:
        team = _Team(stack, network, data, training_config.workers)
        for epoch in range(1, training_config.epochs + 1):
            began, loss, right = time.monotonic(), 0.0, 0
            for batch in _batches(rng.permutation(data.count), training_config.batch_size):
                check(ctx)
                gradient, more, hits = team.step(parameters, batch)
                speed = MOMENTUM * speed - rate * gradient
                parameters = parameters + speed
                loss, right = loss + more, right + hits
            val_loss, val_acc = network.judge(parameters, *data.validation)
            if val_acc > best_accuracy:
                best, best_accuracy, best_epoch = parameters.copy(), val_acc, epoch
            yield {
                "epoch": epoch,
                "train_loss": loss / data.count,
                "val_loss": val_loss,
                "train_acc": right / data.count,
                "val_acc": val_acc,
                "learning_rate": rate,
                "seconds": round(time.monotonic() - began, 3),
                "is_final": False,
            }
            rate *= training_config.decay
    path = training_config.output or os.path.join(tempfile.mkdtemp(prefix="farhand-training-"), "model.npz")
    Model(network, best, data.scaling, data.classes).save(path)
    yield {
        "final_model_path": path,
        "best_val_accuracy": best_accuracy,
        "best_epoch": best_epoch,
        "workers": training_config.workers,
        "is_final": True,
    }


def _check(model: ModelConfig, training: TrainingConfig) -> None:
    bounds: list[tuple[str, float, float, float]] = [
        ("layers", model.layers, 1, LAYERS_LIMIT),
        ("hidden_size", model.hidden_size, 1, WIDTH_LIMIT),
        ("epochs", training.epochs, 1, EPOCHS_LIMIT),
        ("batch_size", training.batch_size, 1, 1_000_000),
        ("learning_rate", training.learning_rate, 1e-9, 100),
        ("workers", training.workers, 1, WORKERS_LIMIT),
        ("decay", training.decay, 0, 1),
        ("seed", training.seed, 0, 2**32),
        ("validation_share", training.validation_share, 0.01, 0.9),
    ]
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise ValueError(f"{name} must be {least:g} to {most:g}, not {value:g}")
    if training.output and not training.output.endswith(".npz"):
        raise ValueError(f"the model is saved as .npz, not as {training.output!r}")


def _batches(rows: Any, size: int) -> Iterator[Any]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


class _Data:
    """Rows to train with, `count` of them, and to validate with, scaled by the former's mean and spread."""

    def __init__(self, path: str, training: TrainingConfig) -> None:
        np = needed("numpy")
        inputs, labels = _read(path)
        if inputs.ndim != 2 or labels.shape != (len(inputs),) or not np.isfinite(inputs).all():
            raise ValueError(f"{path} must have rows of finite numbers, and a class for each")
        self.classes, labels = np.unique(labels, return_inverse=True)
        held = max(1, round(len(inputs) * training.validation_share))
        if not 2 <= len(self.classes) <= CLASSES_LIMIT or len(inputs) - held < training.workers:
            raise ValueError(
                f"{path} has {len(inputs)} rows of {len(self.classes)} classes: too few, or too many classes"
            )
        order = np.random.default_rng(training.seed).permutation(len(inputs))
        train, validation = order[held:], order[:held]
        spread = inputs[train].std(0)
        self.scaling = inputs[train].mean(0), np.where(spread > 0, spread, 1.0)
        scaled = (inputs - self.scaling[0]) / self.scaling[1]
        self.inputs, self.labels = scaled[train], labels[train]
        self.validation = scaled[validation], labels[validation]
        self.count, self.width = self.inputs.shape


def _read(path: str) -> tuple[Any, Any]:
    np = needed("numpy")
    if path in ("", "digits"):
        found = needed("sklearn.datasets").load_digits(return_X_y=True)
        return found[0], found[1]
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as arrays:
            if not {"x", "y"} <= set(arrays.files):
                raise ValueError(f"{path} must have the arrays x and y")
            return arrays["x"].astype(np.float64), arrays["y"]
    if path.endswith(".csv"):
        table = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
        return table[:, :-1], table[:, -1].astype(np.int64)
    raise ValueError(f"{path!r} is no data set: use digits, an .npz with x and y, or a .csv")


class _Team:
    """The processes, each with its share of the rows: every so many-th one."""

    def __init__(self, stack: ExitStack, network: Any, data: _Data, workers: int) -> None:
        self._count = workers
        self._members = [_Member() for _ in range(workers)]
        for member in self._members:
            stack.callback(member.end)
        for at, member in enumerate(self._members):
            member.send(sizes=list(network.sizes), inputs=data.inputs[at::workers], labels=data.labels[at::workers])
        for member in self._members:
            member.receive()

    def step(self, parameters: Any, rows: Any) -> tuple[Any, float, int]:
        """The mean gradient over these rows, the sum of their losses, and how many are right."""
        asked = []
        for at, member in enumerate(self._members):
            own = rows[rows % self._count == at] // self._count
            if len(own):
                member.send(parameters=parameters, rows=own)
                asked.append(member)
        answers = [member.receive() for member in asked]
        gradient = sum(one["gradient"] for one in answers) / len(rows)
        return gradient, float(sum(one["loss"] for one in answers)), int(sum(one["right"] for one in answers))


class _Member:
    """One process of a team."""

    def __init__(self) -> None:
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [sys.executable, "-m", SHARD]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **alone}
        )

    def send(self, **arrays: Any) -> None:
        """Give it an order."""
        from farhand.kits.snakepit.streams.shard import send

        assert self._process.stdin is not None
        try:
            send(self._process.stdin, **arrays)
        except OSError:
            raise self._lost() from None

    def receive(self) -> dict[str, Any]:
        """Its answer."""
        from farhand.kits.snakepit.streams.shard import receive

        assert self._process.stdout is not None
        found = receive(self._process.stdout)
        if found is None:
            raise self._lost()
        return found

    def _lost(self) -> RuntimeError:
        return RuntimeError(f"a training process ended with status {self._process.wait()}")

    def end(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent yet has nobody to go to
                    pipe.close()
