/** The toy format with one fault: the building blocks for the mutation tests of the conformance suite. */
import { toy4Format } from "../../../fixtures/toy-format/src/index.ts";
import { toyVector } from "../../../fixtures/toy-format/vector.ts";
import type {
  LinearWeight,
  OpenableWeight,
  PartBytes,
  WeightEncoder,
  WeightFormat,
  WeightTarget,
  WordSpec,
} from "../src/format/index.ts";
import type { Finding } from "../src/index.ts";
import type { FormatVector } from "../src/testing/index.ts";
import { isLevelView, type ViewFacts, type ViewRequirement } from "../src/view/index.ts";

export const vector: FormatVector = toyVector();
export const toy = { format: toy4Format, vectors: [vector] };

export interface Broken {
  readonly format: WeightFormat;
  readonly vectors: readonly FormatVector[];
}

/** The toy with changed weights: `change` is applied after the reader has found them. */
export function found(change: (weight: OpenableWeight) => OpenableWeight): Broken {
  return {
    ...toy,
    format: {
      ...toy4Format,
      reader(config, hints, place) {
        const reader = toy4Format.reader(config, hints, place);
        return {
          ...reader,
          openable: async (module, parts, at) => change(await reader.openable(module, parts, at)),
        };
      },
    },
  };
}

/** The toy with changed opened weights. */
export function opened(change: (weight: LinearWeight, bytes: PartBytes) => LinearWeight): Broken {
  return found((weight) => ({
    ...weight,
    open(bytes, known) {
      const own = weight.open(bytes, known);
      return own.toView === undefined ? own : change(own, bytes);
    },
  }));
}

export function facts(change: Partial<ViewFacts>): Broken {
  return found((weight) => ({
    ...weight,
    examine(bytes) {
      const examination = weight.examine(bytes);
      return {
        ...examination,
        facts: examination.facts === undefined ? undefined : { ...examination.facts, ...change },
      };
    },
  }));
}

export function target(change: (target: WeightTarget) => Partial<WeightTarget>): Broken {
  const own = toy4Format.target;
  if (own === undefined) throw new Error("The toy is no target.");
  return { ...toy, format: { ...toy4Format, target: { ...own, ...change(own) } } };
}

/** Removes the reason why no stored weight keeps its codes. */
export function silent({ format, vectors }: Broken): Broken {
  if (format.target === undefined) throw new Error("The toy is no target.");
  const { whyNewCodes: _, ...own } = format.target;
  return { format: { ...format, target: own }, vectors };
}

export function encoder(change: (encoder: WeightEncoder) => Partial<WeightEncoder>): Broken {
  return target((own) => ({
    encoder(layout) {
      const made = own.encoder(layout);
      return { ...made, ...change(made) };
    },
  }));
}

/** The toy that reads ones in place of scales that are absent, and says so. */
export function withoutScales(): Broken {
  const rows = 64;
  const scales = { suffix: "toy_scales", encoding: "F32", shape: [rows], byteLength: 4 * rows };
  const ones = new Uint8Array(new Float32Array(rows).fill(1).buffer);
  const filled = (bytes: PartBytes): PartBytes => ({ ...bytes, toy_scales: ones });
  const finding: Finding = {
    code: "packed-weights",
    severity: "warning",
    message: "The part toy_scales is missing; scales of 1 are read in its place.",
  };
  return {
    ...toy,
    format: {
      ...toy4Format,
      reader(config, hints, place) {
        const reader = toy4Format.reader(config, hints, place);
        return {
          ...reader,
          async openable(module, parts, at) {
            if (parts.some(({ suffix }) => suffix === scales.suffix))
              return reader.openable(module, parts, at);
            const made = { ...scales, name: `${module}.${scales.suffix}` };
            const weight = await reader.openable(module, [...parts, made], at);
            return {
              ...weight,
              examine(bytes) {
                const examination = weight.examine(filled(bytes));
                return { ...examination, findings: [...examination.findings, finding] };
              },
              open: (bytes) => weight.open(filled(bytes)),
            };
          },
        };
      },
    },
  };
}

/** The toy as a target that claims to keep views exactly. */
export function promising(changed: Partial<ViewRequirement> = {}): Broken {
  const requirement: ViewRequirement = {
    name: "toy4",
    blockSize: -1,
    shortLastBlock: true,
    codes: { kind: "signed", min: -128, max: 127 },
    scale: "F32",
    roundsToHalf: false,
    ...changed,
  };
  return target((own) => ({
    offers(request, settings, layout) {
      const offers = own.offers(request, settings, layout);
      return "reason" in offers ? offers : offers.map((offer) => ({ ...offer, requirement }));
    },
    encoder(layout) {
      const made = own.encoder(layout);
      return {
        ...made,
        // each code becomes the level that is nearest to it
        fromView(view, row, bytes) {
          const values = Float32Array.from(view.codes, (code) => code - 8);
          if (isLevelView(view) || made.floats.kind !== "view") return;
          made.fromView({ ...made.floats.quantize(values, view.rows), scales: view.scales }, row, bytes);
        },
      };
    },
  }));
}

export const wordSpec = (key: string, words: WordSpec["words"]): WordSpec => ({
  key,
  about: "A setting.",
  words,
  examples: [],
});

/** The toy whose target has other words. */
export function words(specs: readonly WordSpec[], example: string): Broken {
  return target(() => ({ words: specs, example }));
}
