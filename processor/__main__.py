"""`python -m processor`: the command `processor`."""

import sys

try:
    from processor.cli.main import main
except KeyboardInterrupt:       # Ctrl-C while all of this is still being imported
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
