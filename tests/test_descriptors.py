"""How many sockets and files may be open."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
CASES = [
    ("what the system lets us", (64, 256), 256),
    ("as it is where it is enough", (128, 128), 128),
    ("not a thousand million", (64, 4_000), 2_048),
]


@pytest.mark.parametrize(("limits", "raised"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_as_many_files_as_the_system_lets_us(limits, raised):
    begun = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, {limits})"
    code = f"{begun}; from monitor import descriptors; descriptors.WANTED = 2_048; descriptors.raise_limit(); {LOOK}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == f"{raised}\n"


def test_no_feed_is_checked_with_the_few_that_a_process_begins_with(tmp_path):
    (tmp_path / "watchlists").mkdir()
    (tmp_path / "config.toml").write_text('[web]\nlisten = ""\n')
    begun = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))"
    code = f"{begun}; from monitor.cli import main; main(['--config', 'config.toml', 'poll'], standalone_mode=False); {LOOK}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "512\n", done.stderr
