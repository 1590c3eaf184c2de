/** Reads all weights of a model as f32, band by band: what a conversion does before it encodes. */
import { basename, dirname } from "node:path";
import { openModel } from "@requant/convert";
import { allocateKernelBuffer } from "@requant/core/kernels";
import { directoryStore } from "@requant/core/node";

const [path = ""] = process.argv.slice(2);
const BAND = 1 << 20;
// where kernels decode
const memory = allocateKernelBuffer(4 * BAND);
const model = await openModel({ store: directoryStore(dirname(path)), file: basename(path) });
for (const { name, shape } of model.tensors) {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.reduce((product, size) => product * size, 1) / columns;
  const step = Math.max(1, Math.floor(BAND / columns));
  for (let row = 0; row < rows; row += step) {
    const end = Math.min(rows, row + step);
    await model.weight(name).readRows(row, end, memory.floats(0, (end - row) * columns));
  }
}
await model.close();
