/** The modules of a sentence-transformers model (modules.json) that its GGUF does not hold. */
import * as z from "zod/mini";

const moduleSchema = z.looseObject({ type: z.string(), path: z.string() });

/**
 * Folders of the dense layers behind the pooling. llama.cpp's converter takes them for EmbeddingGemma alone, and only with its
 * option `--sentence-transformers-dense-modules` (conversion/gemma.py, `EmbeddingGemma`).
 * @param modules the contents of modules.json; entries of another form are no dense layers
 */
export function denseFolders(modules: string | undefined): readonly string[] {
  const entries: readonly unknown[] = listOf(modules ?? "[]");
  return entries.flatMap((entry) => {
    const { data, success } = moduleSchema.safeParse(entry);
    return success && /(?:^|\.)Dense$/.test(data.type) && data.path !== "" ? [data.path] : [];
  });
}

function listOf(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
