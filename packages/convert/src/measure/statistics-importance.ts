import { EMBEDDING_NAME, importanceSums, openStatistics } from "@requant/calibrate";
import type { ReadStore } from "@requant/core";
import type { Imatrix, ImatrixEntry } from "@requant/gguf";

/** The importance matrix that a file of calibration statistics holds. */
export async function importanceOfStatistics(store: ReadStore, file: string): Promise<Imatrix> {
  const statistics = await openStatistics(store, { file });
  try {
    const entries = new Map<string, ImatrixEntry>();
    for await (const [name, entry] of importanceSums(statistics)) {
      // embeddings are looked up: what stands in for their inputs is not an importance that llama-imatrix would give
      if (name !== EMBEDDING_NAME) entries.set(name, entry);
    }
    const { windows, window } = statistics.metadata;
    return { form: "gguf", entries, datasets: [], chunkCount: windows, chunkSize: window };
  } finally {
    await statistics.close();
  }
}
