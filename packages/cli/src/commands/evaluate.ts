import { evaluateModels, type Model, type ModelsEvaluation, warningsOf } from "@requant/convert";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { countOption, measured, temporaryStore, textOf } from "../measure-arguments.ts";
import { withModel } from "../open.ts";
import { showWarnings } from "../render/findings.ts";
import type { Look } from "../render/look.ts";
import { facts } from "../render/table.ts";
import { writeJson } from "../streams.ts";

export const evaluate: Handler = async ([argument = ""], given, context) => {
  const text = await textOf(String(given["text"]));
  const base = given["base"];
  return withModel(argument, context, (model) =>
    typeof base === "string"
      ? withModel(base, context, (other) => evaluateWith(model, other, text, given, context))
      : evaluateWith(model, undefined, text, given, context),
  );
};

async function evaluateWith(
  model: Model,
  base: Model | undefined,
  text: string,
  given: Readonly<Record<string, unknown>>,
  context: Context,
): Promise<number> {
  const { streams, options, look } = context;
  const [window, chunks] = [countOption(given["window"]), countOption(given["chunks"])];
  const { findings, ...evaluation } = await measured(context, given, (tools) =>
    evaluateModels({ model, base, text, window, chunks, spill: temporaryStore(), ...tools }),
  );
  const warnings = warningsOf(findings);
  showWarnings(warnings, streams, options);
  if (options.json) writeJson(streams, { ...evaluation, warnings });
  else streams.out.write(`${renderEvaluation(evaluation, look)}\n`);
  return exitStatus.done;
}

function renderEvaluation(evaluation: Omit<ModelsEvaluation, "findings">, look: Look): string {
  const { perplexity, perplexityError, kl, klError, sameTop, sameTopError, logRatio, logRatioError } =
    evaluation;
  const { tokens, windows, window } = evaluation;
  const lines: [string, string][] = [["perplexity", withError(perplexity, perplexityError, 4)]];
  if (kl !== undefined)
    lines.push(["KL divergence", `${withError(kl * 1000, (klError ?? 0) * 1000, 3)} × 10⁻³`]);
  if (sameTop !== undefined) {
    lines.push(["same top token", `${withError(sameTop * 100, (sameTopError ?? 0) * 100, 2)} %`]);
  }
  if (logRatio !== undefined) {
    lines.push([
      "ln perplexity − base",
      `${withError(logRatio * 1000, (logRatioError ?? 0) * 1000, 2)} × 10⁻³`,
    ]);
  }
  lines.push(["scored", `${tokens} tokens in ${windows} windows of ${window}`]);
  return facts(lines, look);
}

function withError(value: number, error: number, digits: number): string {
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}
