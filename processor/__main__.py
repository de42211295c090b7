"""`python -m processor`: the command `processor`."""

import sys

from processor.cli.main import main

sys.exit(main())
