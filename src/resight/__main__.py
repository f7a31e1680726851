"""`python -m resight` is the command `resight`: `accelerate launch -m resight` starts it so on each process."""

from __future__ import annotations

from resight.cli import main

if __name__ == "__main__":
    main()
