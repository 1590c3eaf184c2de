/** Converts a model into a bucket with small parts, in a process of its own that a test can kill. */
import { openModel, parseTarget, planConversion, runPlan } from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { s3Place } from "../src/s3/address.ts";
import { s3OutputStore } from "../src/s3/output.ts";

const [source = "", address = "", folder = "", target = ""] = process.argv.slice(2);
const model = await openModel({ store: directoryStore(source) });
const plan = await planConversion(model, parseTarget(target), { outputName: "m" });
const place = s3Place(address, process.env, () => false);
await runPlan(plan, model, s3OutputStore(place, folder, { partByteLength: 64 * 1024 }), {
  bandByteLength: 64 * 1024,
});
await model.close();
