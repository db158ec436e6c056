"""A confusion matrix as a picture."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

CELL, LEFT, TOP, EDGE = 64, 110, 150, 40
PAPER, INK, GREY = (255, 255, 255), (28, 34, 48), (112, 120, 136)
RIGHT, WRONG = (23, 96, 168), (206, 66, 44)


def confusion_chart(counts: list[list[int]]) -> bytes:
    """A PNG: a row a true class, a column a predicted one. What is right is blue, what is wrong red, and deeper
    the larger its share of the row is."""
    size = len(counts)
    side = CELL * size
    image = Image.new("RGB", (LEFT + side + EDGE, TOP + side + EDGE), PAPER)
    draw = ImageDraw.Draw(image)
    total, right = sum(map(sum, counts)), sum(counts[at][at] for at in range(size))

    def text(x: float, y: float, said: str, height: int, colour: tuple[int, int, int], anchor: str = "mm") -> None:
        draw.text((x, y), said, colour, ImageFont.load_default(height), anchor)

    text(LEFT, 36, f"{right / max(total, 1):.1%} right", 30, INK, "lm")
    text(LEFT, 70, f"{total - right:,} of {total:,} images were taken for something else", 17, GREY, "lm")
    text(LEFT + side / 2, TOP - 42, "predicted", 17, GREY)
    sideways = Image.new("RGB", (CELL * 2, 24), PAPER)
    ImageDraw.Draw(sideways).text((CELL, 12), "true", GREY, ImageFont.load_default(17), "mm")
    image.paste(sideways.rotate(90, expand=True), (LEFT - 72, TOP + side // 2 - CELL))

    for row, line in enumerate(counts):
        middle = TOP + CELL * row + CELL / 2
        text(LEFT - 24, middle, str(row), 20, INK)
        text(LEFT + CELL * row + CELL / 2, TOP - 14, str(row), 20, INK)
        for column, count in enumerate(line):
            x, y = LEFT + CELL * column, TOP + CELL * row
            share = count / max(sum(line), 1)
            strength = share if row == column else min(1.0, 0.15 + 4 * share) if count else 0.0
            box = (x + 1, y + 1, x + CELL - 2, y + CELL - 2)
            draw.rounded_rectangle(box, 6, _mixed(RIGHT if row == column else WRONG, strength))
            if count:
                text(x + CELL / 2, middle, f"{count:,}", 20, PAPER if strength > 0.5 else INK)

    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _mixed(colour: tuple[int, int, int], strength: float) -> tuple[int, int, int]:
    """From a light grey at 0 to the colour at 1."""
    red, green, blue = (round(244 + (part - 244) * strength) for part in colour)
    return red, green, blue
