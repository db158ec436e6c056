"""Write the half of scikit-learn's digits that the model doesn't learn from, as images: digits/LABEL/NUMBER.png.

python make_folder.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

LEARNT = 898
"""The model learns from the digits before this one."""


def main(folder: Path) -> None:
    """8 × 8 pixels each; the digits have 17 levels of grey, which become 0 to 240."""
    digits = load_digits()
    for number in range(LEARNT, len(digits.images)):
        path = folder / str(digits.target[number]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 15).astype("uint8")).save(path)
    print(f"{len(digits.images) - LEARNT} images in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits"))
