/** How each layer of a model remembers the tokens before: a cache that grows with the context, a window, a state. */
import { headLengths, headsOfKeys, isLatent, type Sizes } from "../llama-cpp/sizes.ts";
import type { LayerMemory, MemoryRules, StateLayers, WindowRules } from "./rules.ts";

/** No model has more; a hostile count must not make a list. */
const MOST_LAYERS = 512;

/** Tokens of a window; 0 without one. */
export function windowLength({ windows }: MemoryRules, sizes: Sizes): number {
  if (windows === undefined || (windows.onlyLayers ?? sizes.trunk) !== sizes.trunk) return 0;
  const stated = sizes.number("attention.sliding_window") ?? windows.length ?? 0;
  return stated > 0 ? (windows.fixed ?? stated) : 0;
}

/** Undefined where the metadata do not say what the layers are. */
export function layersOf(rules: MemoryRules, sizes: Sizes): readonly LayerMemory[] | undefined {
  if (!(sizes.trunk > 0 && sizes.trunk <= MOST_LAYERS)) return undefined;
  const hasWindows = windowLength(rules, sizes) > 0;
  const own = rules.ownCaches?.(sizes) ?? sizes.trunk;
  const layers: LayerMemory[] = [];
  for (let layer = 0; layer < sizes.trunk; layer++) {
    const isWindowed = hasWindows && rules.windows !== undefined && isWindow(rules.windows, sizes, layer);
    const kind = layerKind(rules.states, sizes, layer);
    const cache =
      kind.hasCache && layer < own && rules.keepsNothing !== true
        ? cacheOf(sizes, layer, isWindowed)
        : { keys: 0, values: 0 };
    if (cache === undefined) return undefined;
    layers.push({
      layer,
      cache: cache.keys + cache.values > 0 ? cache : undefined,
      isWindowed,
      hasState: kind.hasState,
    });
  }
  return layers;
}

function isWindow({ period, whole = "last" }: WindowRules, sizes: Sizes, layer: number): boolean {
  const list = sizes.at("attention.sliding_window_pattern", layer);
  const isList = sizes.isList("attention.sliding_window_pattern");
  if (isList) return list === 1;
  const step = list ?? period;
  if (step === 0) return true;
  return whole === "first" ? layer % step !== 0 : layer % step < step - 1;
}

/** Numbers of keys and values; undefined where a key is missing. */
function cacheOf(sizes: Sizes, layer: number, isWindowed: boolean): LayerMemory["cache"] {
  const heads = headsOfKeys(sizes, layer);
  const [key, value] = headLengths(sizes, isWindowed);
  if (heads === undefined || key === undefined || value === undefined) return undefined;
  // the values are a part of the keys
  const cache = { keys: heads * key, values: isLatent(sizes) ? 0 : heads * value };
  return Number.isSafeInteger(cache.keys) && Number.isSafeInteger(cache.values) ? cache : undefined;
}

const KINDS: Readonly<
  Record<
    StateLayers,
    (sizes: Sizes, layer: number) => { readonly hasState: boolean; readonly hasCache: boolean }
  >
> = {
  all: () => ({ hasState: true, hasCache: false }),
  beside: () => ({ hasState: true, hasCache: true }),
  "without key heads": (sizes, layer) => eitherWay(headsOfKeys(sizes, layer) === 0),
  "without key heads and forward": (sizes, layer) =>
    (sizes.at("feed_forward_length", layer) ?? 0) > 0
      ? { hasState: false, hasCache: false }
      : eitherWay(headsOfKeys(sizes, layer) === 0),
  most: (sizes, layer) => eitherWay(isRecurrent(sizes, layer)),
};

const eitherWay = (hasState: boolean) => ({ hasState, hasCache: !hasState });

/** By the list; without one, all but every so many (src/models/qwen35.cpp). */
function isRecurrent(sizes: Sizes, layer: number): boolean {
  const stated = sizes.at("attention.recurrent_layers", layer);
  if (stated !== undefined) return stated !== 0;
  return (layer + 1) % (sizes.number("full_attention_interval") ?? 4) !== 0;
}

function layerKind(
  states: StateLayers | undefined,
  sizes: Sizes,
  layer: number,
): { readonly hasState: boolean; readonly hasCache: boolean } {
  return states === undefined ? { hasState: false, hasCache: true } : KINDS[states](sizes, layer);
}

/** Numbers of the state of a layer (src/llama-hparams.cpp, n_embd_r and n_embd_s). */
export function stateCount(sizes: Sizes): number {
  const of = (key: string): number => sizes.number(key) ?? 0;
  const width = of("embedding_length");
  if (of("wkv.head_size") > 0)
    return width * ((sizes.number("token_shift_count") ?? 2) + of("wkv.head_size"));
  if (of("shortconv.l_cache") > 0) return width * (of("shortconv.l_cache") - 1);
  const kernel = Math.max(0, of("ssm.conv_kernel") - 1);
  const own = of("kda.head_dim");
  if (own > 0) return of("attention.head_count") * own * (3 * (kernel || 3) + own);
  const [inner, state, groups] = [of("ssm.inner_size"), of("ssm.state_size"), of("ssm.group_count")];
  return kernel * (inner + 2 * groups * state) + state * inner;
}
