/** The main program of the standalone executable; `packages/cli/src/bin.ts` is that of the package. */
import { collectSooner } from "../../packages/cli/src/heap-growth.ts";

// as the user typed it until now; a command that starts itself again compares it with the program
process.argv[1] = process.execPath;
collectSooner();
void import("../../packages/cli/src/command.ts");
