// Reads files band by band, writes as many bytes as a converter would, and computes nothing: what the machine allows.
//   <output, or - to only read> <bytes to write> <input> …
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

const [output, byteLength, ...inputs] = process.argv.slice(2);
const BAND = 4 * 1024 * 1024;
// for longer writes Linux looks for longer pieces of memory, which a virtual machine may have to get from its host
const WRITE = 256 * 1024;
const band = Buffer.alloc(BAND);
const files = inputs.map((path) => openSync(path, "r"));
const total = files.reduce((sum, file) => sum + fstatSync(file).size, 0);
const to = output === "-" ? undefined : openSync(output, "w");
let [read, written] = [0, 0];
for (const file of files) {
  for (;;) {
    const length = readSync(file, band, 0, BAND, null);
    if (length === 0) break;
    read += length;
    // as far into the output as into the input
    const end = Math.round((read / total) * Number(byteLength));
    while (to !== undefined && written < end)
      written += writeSync(to, band, 0, Math.min(WRITE, end - written), null);
  }
  closeSync(file);
}
if (to !== undefined) closeSync(to);
