import { notesOf, type PlanReport } from "@requant/convert";
import { elementCount, largest } from "@requant/core";
import { bounded, boundedMessage } from "@requant/core/text";
import { findingLine } from "./findings.ts";
import type { Look } from "./look.ts";
import { spellOptions } from "./options.ts";
import { byteQuantity, counted, countQuantity, duration, measure, percentage } from "./quantity.ts";
import { facts, paragraph, table } from "./table.ts";

const WHAT: Readonly<Record<string, string>> = {
  copy: "the stored numbers themselves",
  exact: "other bytes, the same values",
  rounded: "the same codes or numbers, rounded",
  requantized: "new codes",
  float: "dequantized to floats",
};

/** How a report is shown. */
export interface ReportOptions {
  /** Each tensor, too. */
  readonly tensors: boolean;
  readonly look: Look;
  /** Where the output is, once it is written. */
  readonly output?: string | undefined;
}

/** What a conversion does, or did: the summary, and each tensor where asked. */
export function renderReport(report: PlanReport, { tensors, look, output }: ReportOptions): string {
  const { source, target } = report;
  const parts = [
    facts(
      [
        [
          "from",
          `${source.name}  (${source.variant}${source.architecture === undefined ? "" : `, ${source.architecture}`})`,
        ],
        [
          "to",
          output === undefined
            ? `${target.text}  ${named(target.files.map(({ name }) => name))}`
            : target.text,
        ],
        ...(output === undefined ? [] : ([["output", output]] as const)),
        [
          "weights",
          `${countQuantity(report.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0))} in ${counted(report.tensors.length, "tensor")}`,
        ],
        [
          "size",
          `${byteQuantity(source.files.reduce((sum, file) => sum + file.byteLength, 0))} → ${byteQuantity(report.byteLength)}`,
        ],
        ...(report.seconds === undefined ? [] : ([["time", duration(report.seconds)]] as const)),
      ],
      look,
    ),
  ];
  if (tensors) parts.push(tensorTable(report, look));
  const solved = outputTable(report, look);
  if (solved !== undefined) parts.push(solved);
  parts.push(`${fidelityTable(report, look)}\n${legend(report, look)}`);
  if (report.leftOut.length > 0) {
    parts.push(
      `left out:\n${report.leftOut.map(({ name, reason }) => `  ${bounded(name)}: ${boundedMessage(spellOptions(reason))}`).join("\n")}`,
    );
  }
  const notes = notesOf(report.findings);
  if (notes.length > 0)
    parts.push(
      notes.map((note) => paragraph(findingLine(look.colors.cyan("note"), note), look, "  ")).join("\n"),
    );
  return parts.join("\n\n");
}

function tensorTable(report: PlanReport, look: Look): string {
  const measured = report.tensors.some(({ rmse }) => rmse !== undefined);
  return table(
    [
      { title: "tensor" },
      { title: "shape", align: "right" },
      { title: "from" },
      { title: "to" },
      { title: "fidelity" },
      { title: "bytes", align: "right" },
      ...(measured
        ? ([
            { title: "rmse", align: "right" },
            { title: "relative", align: "right" },
            { title: "max error", align: "right" },
          ] as const)
        : []),
    ],
    report.tensors.map((tensor) => [
      tensor.name,
      tensor.shape.join("×"),
      tensor.from,
      tensor.to,
      tensor.fidelity,
      byteQuantity(tensor.byteLength),
      tensor.rmse === undefined ? "" : measure(tensor.rmse),
      tensor.relativeRmse === undefined ? "" : percentage(tensor.relativeRmse),
      tensor.maxAbsError === undefined ? "" : measure(tensor.maxAbsError),
    ]),
    look,
  );
}

/** Weights that a table of output errors lists; of more than these, the worst. */
const MOST_SOLVED = 32;

/** What solving changed in the output of each layer, beside what rounding would have changed; undefined where nothing was solved. */
function outputTable({ tensors }: PlanReport, look: Look): string | undefined {
  const solved = tensors.filter(({ outputError }) => outputError !== undefined);
  if (solved.length === 0) return undefined;
  const isLong = solved.length > MOST_SOLVED;
  const listed = isLong
    ? solved.toSorted((a, b) => (b.outputError ?? 0) - (a.outputError ?? 0)).slice(0, MOST_SOLVED)
    : solved;
  const rows = listed.map(({ name, outputError = 0, roundingOutputError = 0 }) => [
    name,
    percentage(outputError),
    percentage(roundingOutputError),
  ]);
  const more = isLong ? ` The worst ${MOST_SOLVED} of ${solved.length}; --json lists all.` : "";
  const columns = [
    { title: "calibrated weight" },
    { title: "output error", align: "right" },
    { title: "if rounded", align: "right" },
  ] as const;
  const about = `Output error: what changes in the output of the layer on the calibration text, relative to the output.${more}`;
  return `${table(columns, rows, look)}\n${look.colors.dim(paragraph(about, look))}`;
}

/** One line for each way that weights went: from → to, how many, and what it cost. */
function fidelityTable(report: PlanReport, look: Look): string {
  const groups = new Map<string, PlanReport["tensors"][number][]>();
  for (const tensor of report.tensors) {
    const key = `${tensor.fidelity}\n${tensor.from}\n${tensor.to}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [tensor]);
    else group.push(tensor);
  }
  const rows = [...groups.values()].map((group) => {
    const [first] = group;
    const rmse = largest(group.flatMap((tensor) => tensor.rmse ?? []));
    const relative = largest(group.flatMap((tensor) => tensor.relativeRmse ?? []));
    const worst = largest(group.flatMap((tensor) => tensor.maxAbsError ?? []));
    return [
      first?.fidelity ?? "",
      String(group.length),
      `${first?.from} → ${first?.to}`,
      byteQuantity(group.reduce((sum, { byteLength }) => sum + byteLength, 0)),
      rmse === undefined ? "" : measure(rmse),
      relative === undefined ? "" : percentage(relative),
      worst === undefined ? "" : measure(worst),
    ];
  });
  return table(
    [
      { title: "fidelity" },
      { title: "tensors", align: "right" },
      { title: "encoding", wrap: true },
      { title: "bytes", align: "right" },
      { title: "rmse", align: "right" },
      { title: "relative", align: "right" },
      { title: "max error", align: "right" },
    ],
    rows,
    look,
  );
}

/** What the fidelities of the table mean. Errors are those of the worst tensor; relative ones are of its root mean square. */
function legend({ fidelity, tensors }: PlanReport, look: Look): string {
  const present = Object.entries(fidelity).flatMap(([name, count]) =>
    count === 0 ? [] : [`${name}: ${WHAT[name] ?? ""}`],
  );
  const measured = tensors.some(({ rmse }) => rmse !== undefined)
    ? " Errors are those of the worst tensor; relative: the RMSE over the root mean square of the tensor."
    : "";
  return look.colors.dim(paragraph(`${present.join("; ")}.${measured}`, look));
}

function named(names: readonly string[]): string {
  return `${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}`;
}
