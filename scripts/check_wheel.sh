#!/bin/sh
# Builds the wheel and uses it as somebody does who installs it without extras: it is whole, it imports, and the
# command answers.
#
#   check_wheel.sh PYTHON
set -eu
python=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
"$python" -m pip wheel --quiet --quiet --no-deps --wheel-dir "$folder" .
"$folder/venv/bin/python" -m pip install --quiet --quiet "$folder"/multillm_plugins-*.whl

cd "$folder" # away from the sources
venv/bin/multillm backends --json >backends.json
venv/bin/python - <<'END'
import json
from importlib.resources import files

names = [row["name"] for row in json.load(open("backends.json"))]
assert "llama_cpp" in names and "together" in names, names
size = len(files("shared_core").joinpath("local", "demo_model.gguf").read_bytes())
assert 0 < size <= 8_000_000, f"the demo model has {size} bytes"
for package in ("shared_core", "langchain_multillm", "llamaindex_multillm"):
    assert files("shared_core").joinpath("..", package, "py.typed").is_file(), package
print(f"the wheel has {len(names)} backends, a demo model of {size / 1e6:.1f} MB and the type markers")
END
