// Opens a GGUF file several times and prints how long each took: <reader> <file> <times>
import { readFile } from "node:fs/promises";

const [reader, path, times] = process.argv.slice(2);

const readers = {
  requant: async () => {
    const { fileSource } = await import("@requant/core/node");
    const { readGguf } = await import("@requant/gguf");
    return async () => {
      const source = await fileSource(path);
      const { metadata } = await readGguf(source);
      await source.close();
      return metadata;
    };
  },
  "requant, all values": async () => {
    const open = await readers.requant();
    return async () => [...(await open()).values()].map(({ value }) => value);
  },
  "@huggingface/gguf": async () => {
    const { gguf } = await import("@huggingface/gguf");
    return () => gguf(path, { allowLocalFile: true });
  },
  "bytes only": async () => () => readFile(path),
};

const open = await readers[reader]();
const runs = [];
for (let i = 0; i < Number(times); i++) {
  const wallStart = performance.now();
  const cpuStart = process.cpuUsage();
  await open();
  const { user, system } = process.cpuUsage(cpuStart);
  runs.push({ wall: (performance.now() - wallStart) / 1e3, cpu: (user + system) / 1e6 });
}
console.log(JSON.stringify(runs));
