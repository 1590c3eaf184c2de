import { UsageError } from "@requant/core";
import { type Command, Option } from "commander";
import { positive } from "./option-values.ts";

/** What `fleet` does. */
export const fleetActions = ["submit", "work", "status", "remove"] as const;

type FleetAction = (typeof fleetActions)[number];

/** The options that only one action takes. */
const ofAction: Readonly<Record<FleetAction, readonly Option[]>> = {
  submit: [
    new Option(
      "--parts <n>",
      "submit: into how many parts; default: parts of 256 MB, or one for each slice of statistics",
    ),
    new Option("--priority <n>", "submit: smaller numbers come first; default: 100"),
    new Option("--attempts <n>", "submit: how often a part is tried, after growing waits; default: 5"),
    new Option("--again", "submit: also the parts that are done; those that the output holds do nothing"),
  ],
  work: [
    new Option("--memory <size>", "work: most memory, with a unit; default: three quarters of the machine's"),
    new Option("--jobs <n>", "work: threads for each part; default: 1").argParser(positive),
    new Option(
      "--until-empty",
      "work: end when the queue is empty, with exit status 1 where a part failed for good here; default: wait for more",
    ),
    new Option(
      "--stalled-after <seconds>",
      "work: parts of a worker that gives no sign of life for so long go to others; default: 30",
    ),
  ],
  status: [],
  remove: [],
};

/** The options of `fleet`, and its help. */
export function fleetOptions(command: Command): Command {
  command.option(
    "--redis <url>",
    "redis://host:6379, or rediss:// for TLS; default: REDIS_URL, where a password belongs",
  );
  for (const option of Object.values(ofAction).flat()) command.addOption(option);
  return command.addHelpText("after", help);
}

/** @throws UsageError for an option that only another action takes */
export function refuseOtherActions(action: FleetAction, given: Readonly<Record<string, unknown>>): void {
  for (const other of fleetActions) {
    const option = ofAction[other].find((own) => given[own.attributeName()] !== undefined);
    if (other === action || option === undefined) continue;
    throw new UsageError(`Fleet ${action} does not take ${option.long}.`, {
      hint: `Leave it out: it goes with fleet ${other}.`,
    });
  }
}

const help = `
Actions:
  submit PLAN   put the parts of a saved plan into the queue; again after a failure: those that are missing
  work          make parts, as many at the same time as memory and cores allow; SIGTERM: end after the running ones
  status [PLAN] what is done, running and failed, and how long it takes; exit status 1 where a part has failed
  remove PLAN   take a plan, named by its file or its id, out of the queue; parts that run end, and what was made stays

The queue is on Redis or Valkey and holds no tensors: source, plan and output must be where every machine finds them.
`;
