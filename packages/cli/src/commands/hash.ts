import { hashModel } from "@requant/convert";
import { nodeSha256 } from "@requant/core/node";
import { printable } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withModel } from "../open.ts";
import { ProgressBar } from "../render/progress.ts";
import { writeJson } from "../streams.ts";

export const hash: Handler = async ([argument = ""], given, context) => {
  const { streams, signal, options } = context;
  return withModel(argument, context, async (model) => {
    const bar = new ProgressBar(streams.err, options.quiet === true);
    const report = await hashModel(model, {
      tensors: given["tensors"] === true,
      values: given["values"] === true,
      createHash: nodeSha256,
      signal,
      onProgress: (done, total) => bar.update(done, total),
    }).finally(() => bar.end());
    if (options.json) {
      writeJson(streams, report);
      return exitStatus.done;
    }
    // Two columns, as sha256sum prints them.
    const lines = report.files.map(({ name, sha256 }) => `${sha256}  ${printable(name)}`);
    for (const { name, sha256, encoding } of report.tensors ?? [])
      lines.push(`${sha256}  ${printable(name)} ${encoding}`);
    if (report.values !== undefined) {
      lines.push(`${report.values.sha256}  values`);
      if (given["tensors"] === true) {
        for (const { name, sha256 } of report.values.tensors)
          lines.push(`${sha256}  values of ${printable(name)}`);
      }
    }
    streams.out.write(`${lines.join("\n")}\n`);
    return exitStatus.done;
  });
};
