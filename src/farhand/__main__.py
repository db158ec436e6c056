"""`python -m farhand` is the `farhand` command."""

from farhand.cli import main

if __name__ == "__main__":
    main()
