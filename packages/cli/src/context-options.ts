/** The options about a context and the memory for it: --context, --kv, --memory, --vram. */
import {
  type ContextMemory,
  contextMemory,
  estimatedContextMemory,
  type Model,
  parseTokens,
} from "@requant/convert";
import { ConversionError, UsageError } from "@requant/core";
import { parseByteSize } from "@requant/core/text";

type Given = Readonly<Record<string, unknown>>;

interface Asked {
  readonly tokens: number;
  readonly kv: string | undefined;
}

function asked({ context, kv }: Given): Asked | undefined {
  if (typeof context === "string")
    return { tokens: parseTokens(context), kv: typeof kv === "string" ? kv : undefined };
  if (kv === undefined) return undefined;
  throw new UsageError("The option --kv is about the context, and --context is not given.", {
    hint: "Add --context 32k, for example.",
  });
}

/** What the context that is asked for takes with a model; undefined where none is asked for. */
export async function contextOf(model: Model, given: Given): Promise<ContextMemory | undefined> {
  const context = asked(given);
  if (context === undefined) return undefined;
  const memory = await contextMemory(model, context.tokens, context.kv);
  if (memory !== undefined) return memory;
  throw new ConversionError(
    "The model does not say how many layers and key-value heads it has, so its context cannot be counted.",
    {
      path: model.name,
      hint: "Give choose --parameters in place of the model for an estimate, 8B for example.",
    },
  );
}

/** The same for a number of parameters. */
export function estimatedContextOf(parameters: number, given: Given): ContextMemory | undefined {
  const context = asked(given);
  return context === undefined ? undefined : estimatedContextMemory(parameters, context.tokens, context.kv);
}

/** The bytes that there are; undefined where no limit is given. */
export function memoryLimit({ memory, vram }: Given): number | undefined {
  if (typeof memory === "string" && typeof vram === "string") {
    throw new UsageError("The options --memory and --vram both limit what may be used.", {
      hint: "Give one of them.",
    });
  }
  const limit = vram ?? memory;
  return typeof limit === "string" ? parseByteSize(limit) : undefined;
}
