"""What `growth.py` times in processes of their own: C on a plane, the images spread over all devices.

    python -m peers.spread TASK [ADDRESS PROCESSES PROCESS]

For each line that it reads, it computes all points, and answers with the mean of the values. Of several processes each
holds a part of the images.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import IO, NamedTuple


class Process(NamedTuple):
    """A process that was started, and a file of what it complains of."""

    handle: subprocess.Popen
    log: IO


@contextlib.contextmanager
def started(task, devices, processes=1):
    """A list of so many `Process`es, each with so many simulated devices, that are one program; killed at the end.

    Args:
        task: a dict of `data`, `images` and `sizes`, which are settings; of `side`, the points a side of the plane; and
            of `points`, how many of them are computed.
        devices: of each process.
        processes: how many.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}".strip()
    own = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join(sys.path)}
    environ = os.environ | own | {"TQDM_DISABLE": "1", "no_proxy": "127.0.0.1"}
    environ.pop("JAX_NUM_CPU_DEVICES", None)  # it would count for more than the flag
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    told = json.dumps(task | {"data": task["data"] and str(Path(task["data"]).absolute())})
    with contextlib.ExitStack() as stack:
        group = []
        for i in range(processes):
            joined = (address, str(processes), str(i)) if processes > 1 else ()
            command = sys.executable, "-m", "peers.spread", told, *joined
            log = stack.enter_context(tempfile.TemporaryFile("w+"))
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            handle = stack.enter_context(subprocess.Popen(command, bufsize=0, env=environ, **pipes))
            stack.callback(handle.kill)
            group.append(Process(handle, log))
        yield group


def ask(group, limit):
    """Let all processes of a program compute at once; returns the answer of each.

    Raises:
        RuntimeError: one has failed, or does not answer in `limit` seconds. All are killed, and their words shown.
    """
    watch = threading.Timer(limit, kill, [group])
    watch.start()
    try:
        for process in group:
            process.handle.stdin.write(b"\n")
        answers = [process.handle.stdout.readline() for process in group]
    except BrokenPipeError:
        answers = [b""]
    finally:
        watch.cancel()
    if not all(answers):
        kill(group)
        told = [f"ended with {process.handle.wait()}:\n{words(process.log)}" for process in group]
        raise RuntimeError("\n".join([f"{len(group)} processes, expected an answer of each in {limit:g} s", *told]))
    return [json.loads(answer) for answer in answers]


def kill(group):
    """Kill all processes that still run."""
    for process in group:
        process.handle.kill()


def words(log):
    """The last of what a process complained of."""
    log.seek(0)
    return log.read()[-5000:]


def main(task, address=None, processes=1, process=0):
    """Compute all points again and again, once for each line that comes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    import common
    import jax
    from peers import in_jax

    from jaxcost import devices, slices

    common.keep_compiled()
    if address:
        jax.distributed.initialize(address, int(processes), int(process), coordinator_bind_address=address)
    settings = SimpleNamespace(**json.loads(task))
    train, _ = common.images(settings)
    C, origin, uv = in_jax.model("-".join(map(str, settings.sizes)), train[int(process) :: int(processes)])
    C, points = devices.spread(C, devices.mesh()), in_jax.grid(settings.side)[: settings.points]
    for _ in sys.stdin:
        values = slices.evaluate(C, origin, uv, points, progress=False)
        print(json.dumps(float(values.mean(dtype=float))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
