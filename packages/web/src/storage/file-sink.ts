import { type ByteSink, IoError } from "@requant/core";

/**
 * The file that a person chose to save into. Its old contents stay, and can be read, until `close`.
 * @throws IoError where the browser may not write it
 */
export async function chosenFileSink(handle: FileSystemFileHandle): Promise<ByteSink> {
  const { name } = handle;
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw new IoError("The browser cannot write this file.", {
        path: name,
        cause,
        hint: "Allow the page to write it, make room on the disk, or choose another place.",
      });
    }
  };
  const stream = await guarded(handle.createWritable());
  let byteLength = 0;
  return {
    name,
    get byteLength() {
      return byteLength;
    },
    async write(bytes) {
      await guarded(stream.write(bytes as Uint8Array<ArrayBuffer>));
      byteLength += bytes.byteLength;
    },
    close: () => guarded(stream.close()),
    // a stream that has failed is aborted already
    abort: () => stream.abort().catch(() => {}),
  };
}
