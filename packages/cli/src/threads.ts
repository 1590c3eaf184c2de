/** Worker threads for the jobs of a command. */
import { type NodeWorkersOptions, nodeWorkers } from "@requant/convert/node";
import { startingThread } from "./heap-growth.ts";

/** Those of `nodeWorkers`, started so that they use the compiled code that is in Node. */
export function threads(options: NodeWorkersOptions): ReturnType<typeof nodeWorkers> {
  const workers = nodeWorkers(options);
  return {
    ...workers,
    start() {
      const hasStarted = startingThread();
      const worker = workers.start();
      return {
        ...worker,
        terminate() {
          hasStarted();
          return worker.terminate();
        },
        listen: (onReply, onEnd) =>
          worker.listen(
            (reply) => {
              hasStarted();
              onReply(reply);
            },
            (reason) => {
              hasStarted();
              onEnd(reason);
            },
          ),
      };
    },
  };
}
