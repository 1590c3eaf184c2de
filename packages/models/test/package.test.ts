import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

describe("sources", () => {
  const sources = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );

  test.each(sources)("%s runs in a browser and does no I/O", (name) => {
    const text = readFileSync(join(folder, "src", name), "utf8");
    // an example in a comment imports for its reader
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    const imported = [...code.matchAll(/from "([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(
      imported.filter(
        (one) =>
          !one.startsWith(".") && !/^@requant\/core(?:\/(?:format|text))?$/.test(one) && one !== "zod/mini",
      ),
    ).toEqual([]);
  });

  it("every family is a file of the table", () => {
    const index = readFileSync(join(folder, "src/architectures/index.ts"), "utf8");
    const shared = [
      "architecture.ts",
      "delta-net.ts",
      "expert-parameters.ts",
      "expert-tensors.ts",
      "fused-experts.ts",
      "group-parameters.ts",
      "index.ts",
      "parameters.ts",
      "pooling.ts",
      "prediction.ts",
      "split-tensors.ts",
      "state-space.ts",
      "tensors.ts",
    ];
    const families = readdirSync(join(folder, "src/architectures")).filter((name) => !shared.includes(name));
    expect(families.filter((name) => !index.includes(`"./${name}"`))).toEqual([]);
  });
});
