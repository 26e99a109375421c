"""These tests need Chromium and its driver, which `make test` does not: ask with PAYFLOW_UI=1."""

import os

collect_ignore_glob = [] if os.environ.get("PAYFLOW_UI") else ["test_*.py"]
