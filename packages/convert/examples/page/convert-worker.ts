/** The worker of the page: converts one file into the browser's own storage. */
import { openModel, parseTarget, planConversion, runPlan, webWorkers } from "@requant/convert";
import { blobStore } from "@requant/core";
import { browserStore } from "@requant/core/web";

interface Task {
  readonly file: File;
  readonly to: string;
}

async function convert({ file, to }: Task): Promise<string | undefined> {
  const model = await openModel({ store: blobStore(new Map([[file.name, file]])), file: file.name });
  const plan = await planConversion(model, parseTarget(to), { outputName: `converted-${file.name}` });
  const output = await browserStore(await navigator.storage.getDirectory(), { overwrite: true });
  await runPlan(plan, model, output, {
    resume: true,
    workers: webWorkers(() => new Worker(new URL("piece-worker.js", import.meta.url), { type: "module" })),
    onProgress: (progress) => postMessage({ progress }),
  });
  await model.close();
  return plan.files[0]?.name;
}

addEventListener("message", ({ data }: MessageEvent<Task>) => {
  convert(data).then(
    (made) => postMessage({ made }),
    (error: unknown) => postMessage({ failure: String(error) }),
  );
});
