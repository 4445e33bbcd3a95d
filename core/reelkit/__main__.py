"""`python -m reelkit` is the command `reelkit`."""

from reelkit.cli import main

if __name__ == "__main__":
    main()
