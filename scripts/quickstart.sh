#!/usr/bin/env bash
# Sets everything up and evaluates the scripted expert on libero_object: real physics, real tasks.
# Run it again to continue an interrupted run. Further arguments go to `wambench eval`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
wambench="${WAMBENCH_VENV:-.venv}/bin/wambench"
out=runs/quickstart
if [ -e "$out/run.json" ]; then
    exec "$wambench" eval --resume "$out" --video failures "$@"
fi
exec "$wambench" eval --policy expert --suite libero_object --trials 5 --seed 0 \
    --video failures --out "$out" "$@"
