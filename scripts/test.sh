#!/usr/bin/env bash
# Sets everything up, then runs all checks and tests; the ones marked slow too.
# `scripts/test.sh --fast` leaves the slow ones out; further arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
slow=yes
if [ "${1:-}" = --fast ]; then
    slow=no
    shift
fi
WAMBENCH_EXTRAS=libero,robotwin,policies,cosmos,ray,remote,slurm,umap,dev bash scripts/setup.sh
bin="${WAMBENCH_VENV:-.venv}/bin"
# Two packages that plug into wambench, as a third party's would.
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --editable tests/example_plugin --editable tests/faulty_plugin
# Real peers for the tests of network protocols. What they declare would take numpy back to 1.x and
# bring gigabytes that nothing here imports.
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps openpi-client==0.1.2 \
    msgpack-numpy==0.4.8 vla-eval==0.8.0

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" -m pytest -n 2 --dist worksteal "$@"
if [ "$slow" = yes ]; then
    status=0
    "$bin/python" -m pytest -n 2 --dist worksteal -m slow "$@" || status=$?
    # 5: the arguments select no slow test.
    [ "$status" = 5 ] && [ $# -gt 0 ] || exit "$status"
fi
