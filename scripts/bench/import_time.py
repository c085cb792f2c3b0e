"""How long `import wambench` takes in a fresh interpreter, beside what it cannot do without.

python scripts/bench/import_time.py
"""

from __future__ import annotations

import subprocess
import sys

TARGET_S = 0.3
REPEATS = 7


def seconds(module: str) -> float:
    """Best of several imports of a module, each in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(REPEATS)
    )


def main() -> None:
    """Prints the figure beside its target and its parts."""
    for module in ("numpy", "gymnasium", "wambench"):
        target = f"   target at most {TARGET_S} s" if module == "wambench" else ""
        print(f"import {module:10s} {seconds(module):.3f} s{target}")


if __name__ == "__main__":
    main()
