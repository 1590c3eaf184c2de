# Runs a Python program; at its end, what the process used goes to a file: <file> <program> [arguments]
import atexit
import json
import re
import resource
import runpy
import sys

report, program = sys.argv[1:3]


def write_report():
    use = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/status") as status, open("/proc/self/io") as io:
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
        written = int(re.search(r"wchar: (\d+)", io.read()).group(1))
    with open(report, "w") as out:
        json.dump(
            {
                "cpuSeconds": use.ru_utime + use.ru_stime,
                "peakBytes": 1024 * peak,
                "writtenBytes": written,
            },
            out,
        )


atexit.register(write_report)
sys.argv = sys.argv[2:]
sys.path.insert(0, re.sub(r"[^/]*$", "", program))
runpy.run_path(program, run_name="__main__")
