#!/usr/bin/env bash
# Makes .venv with wambench and the LIBERO runtime in it, at pinned versions. Safe to run again.
# Needs Python 3.11 to 3.13, pip's package index, and a software OpenGL library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv="${WAMBENCH_VENV:-.venv}"
python="${PYTHON:-python3}"

"$python" - <<'PY' || { echo "wambench needs Python 3.11, 3.12 or 3.13; set PYTHON to one." >&2; exit 1; }
import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PY

# MuJoCo renders without a display through EGL or OSMesa; a bare Debian machine has neither.
have_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }
if [ "$(uname -s)" = Linux ] && ! have_library 'libOSMesa\.so'; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing libosmesa6 (software OpenGL) ..."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            libosmesa6 libgl1 >/dev/null
    elif ! have_library 'libEGL\.so'; then
        echo "No OpenGL library for rendering was found. Run:  sudo apt-get install libosmesa6" >&2
        exit 1
    fi
fi

if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
fi
echo "Installing wambench into $venv ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".[${WAMBENCH_EXTRAS:-libero}]"
"$venv/bin/wambench" setup libero --here
