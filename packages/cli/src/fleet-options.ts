import type { Command } from "commander";
import { positive } from "./option-values.ts";

/** What `fleet` does. */
export const fleetActions = ["submit", "work", "status"] as const;

/** The options of `fleet`, and its help. */
export function fleetOptions(command: Command): Command {
  return command
    .option(
      "--redis <url>",
      "redis://host:6379, or rediss:// for TLS; default: REDIS_URL, where a password belongs",
    )
    .option("--parts <n>", "submit: into how many parts; default: parts of 256 MB")
    .option("--priority <n>", "submit: smaller numbers come first; default: 100")
    .option("--attempts <n>", "submit: how often a part is tried, after growing waits; default: 5")
    .option("--again", "submit: also the parts that are done; those that the output holds do nothing")
    .option("--memory <size>", "work: most memory, with a unit; default: three quarters of the machine's")
    .option("--jobs <n>", "work: threads for each part; default: 1", positive)
    .option("--until-empty", "work: end when the queue is empty; default: wait for more")
    .option(
      "--stalled-after <seconds>",
      "work: parts of a worker that gives no sign of life for so long go to others; default: 30",
    )
    .addHelpText("after", help);
}

const help = `
Actions:
  submit PLAN   put the parts of a saved plan into the queue; again after a failure: those that are missing
  work          make parts, as many at the same time as memory and cores allow; SIGTERM: end after the running ones
  status [PLAN] what is done, running and failed, and how long it takes; exit status 1 where a part has failed

The queue is on Redis or Valkey and holds no tensors: source, plan and output must be where every machine finds them.

  requant convert model out/model.gguf --to q4_k_m --plan-out plan.json
  requant fleet submit plan.json
  requant fleet work --memory 16GiB      (on every machine)
  requant fleet status
  requant finish plan.json
`;
