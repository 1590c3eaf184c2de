/** The table of families. A new family is one file and one line here. */
import { ConversionError, FormatError, type Metadata } from "@requant/core";
import { quoted } from "@requant/core/text";
import { classNames, nestedModelTypes } from "../hf-files.ts";
import { field, type JsonObject } from "../json.ts";
import { stringOf } from "../metadata-values.ts";
import { afmoe } from "./afmoe.ts";
import { apertus } from "./apertus.ts";
import { arcee } from "./arcee.ts";
import type { Architecture, FamilyHints } from "./architecture.ts";
import { arctic } from "./arctic.ts";
import { baichuan } from "./baichuan.ts";
import { bailing, bailing2 } from "./bailing.ts";
import { bert, distilBert, roberta, xlmRoberta } from "./bert.ts";
import { bitnet } from "./bitnet.ts";
import { bloom } from "./bloom.ts";
import { chatGlm, chatGlm3, glm } from "./chatglm.ts";
import { cohere2, commandR } from "./cohere.ts";
import { cohere2moe } from "./cohere-moe.ts";
import { dbrx } from "./dbrx.ts";
import { deci, deci7b } from "./deci.ts";
import type { DecoderDescription } from "./decoder.ts";
import { deepseek2, deepseek3 } from "./deepseek.ts";
import { deepseekMoe } from "./deepseek-moe.ts";
import { deepseek32, glm47Flash, glmDsa } from "./deepseek-sparse.ts";
import { dream, llada } from "./diffusion.ts";
import { dots1 } from "./dots1.ts";
import { ernie45 } from "./ernie.ts";
import { ernie45moe } from "./ernie-moe.ts";
import { euroBert } from "./eurobert.ts";
import { exaone4 } from "./exaone.ts";
import { exaoneMoe } from "./exaone-moe.ts";
import { exaone3 } from "./exaone3.ts";
import { falcon } from "./falcon.ts";
import { falconH1 } from "./falcon-h1.ts";
import { gemma, gemma2, gemma3, gemmaEmbedding } from "./gemma.ts";
import { gemma3n } from "./gemma3n.ts";
import { gemma4 } from "./gemma4.ts";
import { glm4, glm4moe, glm4v } from "./glm.ts";
import { gptNeox } from "./gpt-neox.ts";
import { gptOss } from "./gpt-oss.ts";
import { gpt2 } from "./gpt2.ts";
import { granite, graniteMoe, graniteMoeShared } from "./granite.ts";
import { bamba, granite4Dense, granite4Moe, graniteHybrid } from "./granite-hybrid.ts";
import { grok } from "./grok.ts";
import { grovemoe } from "./grovemoe.ts";
import { hunyuanDense, hunyuanMoe } from "./hunyuan.ts";
import { internlm2 } from "./internlm2.ts";
import { internlm3 } from "./internlm3.ts";
import { jais } from "./jais.ts";
import { jais2 } from "./jais2.ts";
import { jamba } from "./jamba.ts";
import { jinaBertV2 } from "./jina-bert-v2.ts";
import { kimiK2 } from "./kimi.ts";
import { kimiLinear } from "./kimi-linear.ts";
import { lfm2 } from "./lfm2.ts";
import { lfm2moe } from "./lfm2-moe.ts";
import { llama, mistral, mixtral } from "./llama.ts";
import { llama4 } from "./llama4.ts";
import { falconMamba, mamba, mamba2 } from "./mamba.ts";
import { mellum } from "./mellum.ts";
import { metaParams } from "./meta-params.ts";
import { minicpm, minicpm3 } from "./minicpm.ts";
import { minimaxM2 } from "./minimax.ts";
import { ministral3, mistral3Vision } from "./ministral.ts";
import { ministralParams, mistralLatentParams, mistralParams } from "./mistral-params.ts";
import { modernBert } from "./modern-bert.ts";
import { mpt } from "./mpt.ts";
import { nemotron } from "./nemotron.ts";
import { nemotronH, nemotronHMoe } from "./nemotron-h.ts";
import { neoBert } from "./neobert.ts";
import { jinaBertV3, nomicBert, nomicBertMoe } from "./nomic-bert.ts";
import { olmo1, olmo2, olmo3 } from "./olmo.ts";
import { olmoe } from "./olmoe.ts";
import { openelm } from "./openelm.ts";
import { orion } from "./orion.ts";
import { pangu } from "./pangu.ts";
import { phi2, phi3 } from "./phi.ts";
import { phimoe } from "./phimoe.ts";
import { plamo } from "./plamo.ts";
import { plamo2 } from "./plamo2.ts";
import { plamo3 } from "./plamo3.ts";
import { plm } from "./plm.ts";
import { qwen2, qwen2moe, qwen3, qwen3moe } from "./qwen.ts";
import { qwen3next } from "./qwen-next.ts";
import {
  qwen3Reranker,
  qwen3RerankerOwnHead,
  qwen3vlReranker,
  qwen3vlRerankerOwnHead,
} from "./qwen-reranker.ts";
import { qwen2vl, qwen3vl, qwen3vlmoe } from "./qwen-vl.ts";
import { qwen1 } from "./qwen1.ts";
import { qwen35, qwen35moe } from "./qwen35.ts";
import { refact } from "./refact.ts";
import { rwkv6, rwkv7 } from "./rwkv.ts";
import { seedOss } from "./seed-oss.ts";
import { smallthinker } from "./smallthinker.ts";
import { smollm3 } from "./smollm3.ts";
import { solarOpen } from "./solar-open.ts";
import { stablelm } from "./stablelm.ts";
import { codeShell, starcoder } from "./starcoder.ts";
import { starcoder2 } from "./starcoder2.ts";
import { mt5, t5, t5Encoder, umt5 } from "./t5.ts";
import { xverse } from "./xverse.ts";

/**
 * Where several families share a GGUF name, families that recognise their own files come before the family for all other
 * files.
 */
export const architectures: readonly Architecture[] = [
  mixtral,
  mistral,
  llama,
  qwen2,
  qwen3Reranker,
  qwen3RerankerOwnHead,
  qwen3,
  qwen2vl,
  qwen3vlReranker,
  qwen3vlRerankerOwnHead,
  qwen3vl,
  qwen3vlmoe,
  qwen2moe,
  qwen3moe,
  gemma,
  gemma2,
  gemma3,
  gemmaEmbedding,
  phi3,
  gptOss,
  kimiK2,
  glm47Flash,
  deepseek3,
  deepseek2,
  glm4v,
  glm4,
  granite4Dense,
  granite4Moe,
  bamba,
  graniteHybrid,
  granite,
  olmo3,
  olmo2,
  cohere2,
  starcoder2,
  stablelm,
  smollm3,
  qwen3next,
  qwen35,
  qwen35moe,
  gemma4,
  llama4,
  solarOpen,
  glm4moe,
  mistral3Vision,
  ministral3,
  lfm2,
  lfm2moe,
  ernie45,
  exaone4,
  graniteMoeShared,
  graniteMoe,
  phi2,
  gpt2,
  gptNeox,
  internlm2,
  baichuan,
  qwen1,
  mistralParams,
  ministralParams,
  mistralLatentParams,
  metaParams,
  distilBert,
  jinaBertV2,
  jinaBertV3,
  bert,
  xlmRoberta,
  roberta,
  modernBert,
  nomicBert,
  nomicBertMoe,
  neoBert,
  euroBert,
  t5,
  mt5,
  umt5,
  t5Encoder,
  falcon,
  mpt,
  bloom,
  starcoder,
  codeShell,
  olmo1,
  commandR,
  nemotron,
  dbrx,
  arctic,
  orion,
  xverse,
  chatGlm3,
  chatGlm,
  glm,
  minicpm,
  minicpm3,
  internlm3,
  openelm,
  jais2,
  arcee,
  dream,
  llada,
  exaone3,
  apertus,
  deci,
  deci7b,
  gemma3n,
  jais,
  bitnet,
  afmoe,
  bailing,
  bailing2,
  cohere2moe,
  deepseekMoe,
  dots1,
  ernie45moe,
  exaoneMoe,
  grok,
  grovemoe,
  mellum,
  falconMamba,
  mamba,
  mamba2,
  hunyuanDense,
  hunyuanMoe,
  kimiLinear,
  deepseek32,
  glmDsa,
  falconH1,
  jamba,
  nemotronH,
  nemotronHMoe,
  minimaxM2,
  olmoe,
  pangu,
  phimoe,
  plm,
  plamo,
  plamo2,
  plamo3,
  rwkv6,
  rwkv7,
  refact,
  seedOss,
  smallthinker,
];

const likeHint = "Give a GGUF of the same model as `like`: its names, metadata and tokenizer are taken.";

/**
 * The family of a config.json.
 * @throws ConversionError, with a hint to the option `like`, when no family is known for its class.
 */
export function architectureOfConfig(config: JsonObject, hints: FamilyHints = {}): Architecture {
  const names = classNames(config);
  const nested = nestedModelTypes(config);
  const type = field(config, "model_type");
  const possible = architectures.filter(({ claims }) => claims === undefined || claims(config, hints));
  const found =
    // for a multimodal wrapper, the nested text model decides
    possible.find(({ modelType }) => nested.includes(modelType)) ??
    names
      .map((name) => possible.find(({ classes }) => classes.includes(name)))
      .find((one) => one !== undefined) ??
    (names.length === 0 ? possible.find(({ modelType }) => modelType === type) : undefined);
  if (found !== undefined) return found;
  if (names.length === 0 && (type === undefined || type === null)) {
    throw new FormatError("The config.json names no model: `architectures` and `model_type` are missing.", {
      path: "config.json",
      hint: "Take config.json from the original model.",
    });
  }
  const known = names.length > 0 ? names.join(", ") : `model_type ${quoted(type ?? null)}`;
  throw new ConversionError(`No GGUF architecture is known for ${known}.`, {
    path: "config.json",
    hint: likeHint,
  });
}

/**
 * The family that a GGUF file is converted back to.
 * @throws ConversionError when no family is known for its architecture.
 */
export function architectureOfGguf(metadata: Metadata, tensorNames: ReadonlySet<string>): Architecture {
  const name = stringOf(metadata.get("general.architecture"));
  if (name === undefined) throw new FormatError("The GGUF has no general.architecture.");
  const found = architectures.find(
    (architecture) =>
      architecture.name === name &&
      architecture.writesBack !== false &&
      (architecture.recognises?.(metadata, tensorNames) ?? true),
  );
  if (found === undefined) {
    throw new ConversionError(`No Hugging Face layout is known for the GGUF architecture ${name}.`, {
      hint: "The file can still be requantized as GGUF.",
    });
  }
  if (found.notBack !== undefined) {
    throw new ConversionError(
      `A GGUF of the architecture ${name} is not converted to Hugging Face: ${found.notBack}.`,
      { hint: "The file can still be requantized as GGUF." },
    );
  }
  return found;
}

/** Whether a checkpoint's tensor is one that a GGUF has as metadata: its values are needed for a plan. */
export function isMetadataTensor(name: string): boolean {
  return architectures.some(({ metadataTensors }) => metadataTensors?.pattern.test(name) === true);
}

/** How the families of a GGUF name compute, which is one way for all of them; undefined where no forward pass is known. */
export function decoderNamed(name: string): DecoderDescription | undefined {
  return architecturesNamed(name).find(({ decoder }) => decoder !== undefined)?.decoder;
}

/** The GGUF names of all families whose forward pass is known. */
export function decoderNames(): readonly string[] {
  const known = architectures.filter(({ decoder }) => decoder !== undefined);
  return [...new Set(known.map(({ name }) => name))];
}

/** The families of a GGUF name; empty for an unknown name. */
export function architecturesNamed(name: string): readonly Architecture[] {
  return architectures.filter((architecture) => architecture.name === name);
}
