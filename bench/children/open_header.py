# Opens a GGUF file several times with gguf-py and prints how long each took: <file> <times>
import json
import sys
import time

from gguf import GGUFReader

path, times = sys.argv[1], int(sys.argv[2])
runs = []
for _ in range(times):
    wall, cpu = time.perf_counter(), time.process_time()
    GGUFReader(path)
    runs.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
print(json.dumps(runs))
