"""What importing and gymnasium users may rely on."""

from __future__ import annotations

import subprocess
import sys


def run_python(code: str) -> str:
    """Standard output of a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_wambench_loads_neither_torch_nor_a_simulator() -> None:
    code = "import sys, wambench; print(sorted(m.split('.')[0] for m in sys.modules))"
    loaded = run_python(code)
    for heavy in ("torch", "mujoco", "robosuite", "libero", "matplotlib", "pandas", "numba", "av"):
        assert f"'{heavy}'" not in loaded


def test_every_suite_is_known_to_gymnasium_after_the_import() -> None:
    code = "import gymnasium, wambench; print([i for i in gymnasium.registry if 'wambench' in i])"
    listed = run_python(code)
    for suite in ("libero_spatial", "libero_object", "libero_goal", "libero_long", "libero_90"):
        assert f"wambench/{suite}-v0" in listed
    assert "wambench/example_reach-v0" in listed, "plug-ins are registered like built-ins"


def test_a_plugged_in_suite_is_made_by_gymnasium_and_repeats_itself() -> None:
    code = (
        "import gymnasium, wambench, numpy as np;"
        "e = gymnasium.make('wambench/example_reach-v0', task=2, image_size=16);"
        "a, i = e.reset(seed=5); b, j = e.reset(seed=5);"
        "assert (a['agent_pos'] == b['agent_pos']).all() and i == j;"
        "o, r, t, u, k = e.step(np.ones(2));"
        "assert e.observation_space.contains(o) and k['steps'] == 1;"
        "print(o['pixels']['top'].shape, i['instruction'])"
    )
    assert run_python(code).strip() == "(16, 16, 3) reach target 2"
