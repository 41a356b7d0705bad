"""Compile the live lab's loops: `make kernels` writes _static/live/kernels.js, which is committed."""

import base64
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "_static" / "live" / "kernels.ts"
SCRIPT = SOURCE.with_suffix(".js")
COMPILER = ROOT / "tools" / "assemblyscript"  # the folder that pins it
OPTIONS = ["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--noExportMemory", "--enable", "simd"]
# The quicker one first: a browser that does not know its instructions takes the other one.
MODULES = {"relaxed": ["--enable", "relaxed-simd"], "plain": []}

HEAD = """"use strict";
// Compiled by `make kernels` from kernels.ts; network.js takes the first module that the browser knows.
globalThis.Live ??= {};
"""


def install() -> None:
    """Put the compiler into its folder, in the versions that package-lock.json names."""
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=COMPILER, check=True)


def compiled(options: list[str]) -> bytes:
    """The module that the compiler makes with these options besides the common ones."""
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "kernels.wasm")
        compiler = COMPILER / "node_modules" / "assemblyscript" / "bin" / "asc.js"
        command = ["node", compiler, SOURCE.name, *OPTIONS, *options, "--outFile", module]
        subprocess.run(command, cwd=SOURCE.parent, check=True)
        return module.read_bytes()


def script() -> str:
    """The modules as text in a script, which a page may load from anywhere."""
    lines = [
        f'  {name}: "{base64.b64encode(compiled(options)).decode()}",\n' for name, options in MODULES.items()
    ]
    return f"{HEAD}Live.kernels = {{\n{''.join(lines)}}};\n"


if __name__ == "__main__":
    install()
    SCRIPT.write_text(script(), encoding="utf-8", newline="\n")
