"""batch_inference: a real model over real images, scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from farhand.kits.snakepit.streams.extra import needed
from farhand.kits.snakepit.streams.pausing import check
from farhand.worker.context import Context

DIGITS = "digits"
TRAINED_ON = 1200
"""Of the 1,797 images, the model has seen these; items by number are those after them."""
SIDE, BRIGHTEST = 8, 16.0
ITEMS_LIMIT = 100_000
FILE_LIMIT = 64 * 1024 * 1024


def batch_inference(
    ctx: Context, model_path: str = DIGITS, batch_items: list[Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Say of each item which digit it shows.

    Args:
        model_path: ``digits``, the five nearest neighbours among the first 1,200
            of scikit-learn's images of handwritten digits; or an .npz that distributed_training has saved. A pickle is
            never loaded.
        batch_items: each the number of one of the 597 images that the model has not seen, from 0; or 64 brightnesses
            from 0 to 16, in one list or in 8 rows; or the path of a picture of 8×8 pixels, bright on dark: .npy, or any
            that Pillow reads, where that is installed. All of the 597, where none is given.

    Chunks: `item` as it was given, `prediction`, `confidence` in percent, `processed_at` in ISO 8601; where an item
    can't be read, both are None and `error` says why.

    Raises:
        ValueError: there is no such model.
        ImportError: scikit-learn is not installed.
    """
    model = _model(model_path)
    items: list[Any] = list(range(len(_digits()[0]) - TRAINED_ON)) if batch_items is None else batch_items
    if len(items) > ITEMS_LIMIT:
        raise ValueError(f"{len(items):,} items are over the limit of {ITEMS_LIMIT:,}")
    for number, item in enumerate(items, 1):
        check(ctx)
        yield {
            "item": item,
            **_predicted(model, item),
            "processed_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "is_final": number == len(items),
        }


def _predicted(model: Any, item: Any) -> dict[str, Any]:
    try:
        chances = model(_pixels(item).reshape(1, -1))
    except (ValueError, OSError, ImportError) as error:
        return {"prediction": None, "confidence": None, "error": str(error)}
    best = int(chances.argmax())
    return {"prediction": best, "confidence": round(float(100 * chances[0, best]), 2)}


@lru_cache(maxsize=1)
def _digits() -> Any:
    return needed("sklearn.datasets").load_digits(return_X_y=True)


@lru_cache(maxsize=1)
def _built_in() -> Any:
    """A function of images (rows of 64) to the chances of the ten digits."""
    neighbours = needed("sklearn.neighbors").KNeighborsClassifier(5, weights="distance")
    images, labels = _digits()
    return neighbours.fit(images[:TRAINED_ON], labels[:TRAINED_ON]).predict_proba


def _model(path: str) -> Any:
    if path in ("", DIGITS):
        return _built_in()
    if not path.endswith(".npz"):
        raise ValueError(f"there is no model {path!r}: use {DIGITS}, or an .npz that distributed_training has saved")
    needed("numpy")
    from farhand.kits.snakepit.streams.network import Model

    model = Model.load(path)
    if model.network.sizes[0] != SIDE * SIDE:
        raise ValueError(f"the model {path} takes {model.network.sizes[0]} numbers, not the 64 of these images")
    return model.probabilities


def _pixels(item: Any) -> Any:
    """The 64 brightnesses of an item.

    Raises:
        ValueError: it has none.
        OSError: it can't be read.
        ImportError: Pillow isn't installed.
    """
    np = needed("numpy")
    if isinstance(item, str):
        return _checked(_picture(item))
    if isinstance(item, int) and not isinstance(item, bool):
        unseen = _digits()[0][TRAINED_ON:]
        if not 0 <= item < len(unseen):
            raise ValueError(f"there is no image {item}: they are 0 to {len(unseen) - 1}")
        return unseen[item]
    try:
        return _checked(np.asarray(item, dtype=np.float64))
    except (TypeError, OverflowError):
        raise ValueError("an item is a number, 64 brightnesses or a path") from None


def _checked(image: Any) -> Any:
    np = needed("numpy")
    if image.shape not in ((SIDE * SIDE,), (SIDE, SIDE)):
        raise ValueError(f"an image has {SIDE}×{SIDE} brightnesses; this one is {image.shape}")
    if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= BRIGHTEST):
        raise ValueError(f"brightnesses are 0 to {BRIGHTEST:g}")
    return image


def _picture(path: str) -> Any:
    np = needed("numpy")
    if Path(path).stat().st_size > FILE_LIMIT:
        raise ValueError(f"{path} is over {FILE_LIMIT:,} bytes")
    if path.endswith(".npy"):
        return np.load(path, allow_pickle=False).astype(np.float64)
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{path} can't be read without Pillow: pip install pillow, or give .npy") from None
    with Image.open(path) as picture:
        if picture.size != (SIDE, SIDE):
            raise ValueError(f"a picture has {SIDE}×{SIDE} pixels; {path} has {picture.size[0]}×{picture.size[1]}")
        return np.asarray(picture.convert("L"), dtype=np.float64) * (BRIGHTEST / 255)
