"""Write sales as tills export them: three ways to write a date, commas in numbers, blanks, and rows sent twice.

python make_csv.py [ROWS] [FILE]
"""

from __future__ import annotations

import random
import sys
from collections import deque
from datetime import date, timedelta

SEED = 7
SHOPS = ("north", "North", " north ", "south", "SOUTH", "harbour", "harbour ", "Market")
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y")
BLANKS = ("", "n/a", "-")


def main(rows: str = "1000000", path: str = "sales.csv") -> None:
    """The same rows for the same number of them."""
    dice = random.Random(SEED)
    chance, pick = dice.random, dice.choice
    days = [[day.strftime(form) for form in DATES] for day in (date(2025, 1, 1) + timedelta(n) for n in range(365))]
    recent: deque[str] = deque(maxlen=100)
    with open(path, "w", encoding="utf-8") as file:
        file.write("order,date,shop,quantity,price\n")
        for number in range(int(rows)):
            if recent and chance() < 0.01:  # a till that isn't sure sends a row again, a little later
                file.write(pick(recent))
                continue
            day = pick(pick(days)) if chance() > 0.01 else pick(BLANKS)
            quantity = str(1 + int(chance() * 5)) if chance() > 0.01 else pick(BLANKS)
            price = f'"{chance() * 3000:,.2f}"' if chance() > 0.01 else pick(BLANKS)
            row = f"{number},{day},{pick(SHOPS)},{quantity},{price}\n"
            file.write(row)
            if number % 100 == 0:
                recent.append(row)
    print(f"{int(rows):,} rows in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
