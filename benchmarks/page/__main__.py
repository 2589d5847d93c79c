"""`python -m benchmarks.page`."""

from benchmarks.page.page import main

raise SystemExit(main())
